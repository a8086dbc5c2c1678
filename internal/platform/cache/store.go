package cache

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options of a store.
type Options struct {
	Shared  *Shared // nil: in this process only
	Log     *zap.Logger
	Metrics prometheus.Registerer // nil: none
}

// Store is where the caches of a process keep what they know.
type Store struct {
	shared  *Shared
	log     *zap.Logger
	metrics *metrics

	mu     sync.Mutex
	caches []interface{ close() }
}

// NewStore makes a store. It is closed before its Shared.
func NewStore(o Options) *Store {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Store{shared: o.Shared, log: o.Log, metrics: newMetrics(o.Metrics, o.Shared)}
}

func (s *Store) add(c interface{ close() }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caches = append(s.caches, c)
}

// Close stops what runs in the background. The caches must not be used any more.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.caches {
		c.close()
	}
	s.caches = nil
}

// metrics count by the name of the cache.
type metrics struct {
	requests *prometheus.CounterVec // result: local, shared, miss
	failures *prometheus.CounterVec // of: fetch, redis
}

func newMetrics(r prometheus.Registerer, shared *Shared) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_cache_requests_total", Help: "Answers asked of a cache, by where they were found: local, shared, or miss.",
		}, []string{"cache", "result"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_cache_failures_total", Help: "What failed behind a cache: fetch, or redis (asked in vain, or not asked because it failed a moment ago).",
		}, []string{"cache", "of"}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.requests, m.failures)
	if shared != nil {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shop_redis_up", Help: "Whether Redis answered when it was last asked: 1 or 0."}, func() float64 {
			if shared.Healthy() {
				return 1
			}
			return 0
		}))
	}
	return m
}

// counters are those of one cache.
type counters struct {
	local, shared, miss, fetchFailed, redisFailed prometheus.Counter
}

func (m *metrics) of(cache string) counters {
	return counters{
		local: m.requests.WithLabelValues(cache, "local"), shared: m.requests.WithLabelValues(cache, "shared"), miss: m.requests.WithLabelValues(cache, "miss"),
		fetchFailed: m.failures.WithLabelValues(cache, "fetch"), redisFailed: m.failures.WithLabelValues(cache, "redis"),
	}
}

// errStrange: what stands in Redis is nothing that this program put there.
var errStrange = errors.New("cache: a value in redis cannot be read")
