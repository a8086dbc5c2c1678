package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// ByCurrency counts money by its currency. The first MaxCurrencies that come have series of their own, the others share one: "other".
type ByCurrency struct {
	of *prometheus.CounterVec // with the one label

	mu    sync.RWMutex
	known map[string]prometheus.Counter
}

// NewByCurrency makes it of the counters of a metric that has the currency as its only label.
func NewByCurrency(of *prometheus.CounterVec) *ByCurrency {
	return &ByCurrency{of: of, known: map[string]prometheus.Counter{}}
}

// Add counts minor units.
func (c *ByCurrency) Add(currency string, amount int64) {
	c.mu.RLock()
	counter := c.known[currency]
	full := len(c.known) >= MaxCurrencies
	c.mu.RUnlock()
	if counter == nil {
		counter = c.learn(currency, full)
	}
	counter.Add(float64(amount))
}

func (c *ByCurrency) learn(currency string, full bool) prometheus.Counter {
	if full {
		return c.of.WithLabelValues("other")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch counter := c.known[currency]; {
	case counter != nil:
		return counter
	case len(c.known) >= MaxCurrencies:
		return c.of.WithLabelValues("other")
	}
	c.known[currency] = c.of.WithLabelValues(currency)
	return c.known[currency]
}
