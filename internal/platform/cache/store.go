package cache

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
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
	metrics *storeMetrics

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

// storeMetrics count by the name of the cache.
type storeMetrics struct {
	requests *prometheus.CounterVec // result: local, shared, miss
	failures *prometheus.CounterVec // of: fetch, redis
}

func newMetrics(r prometheus.Registerer, shared *Shared) *storeMetrics {
	m := &storeMetrics{
		requests: metrics.CacheRequests.CounterVec(nil),
		failures: metrics.CacheFailures.CounterVec(nil),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.requests, m.failures)
	if shared != nil {
		r.MustRegister(metrics.RedisUp.GaugeFunc(nil, func() float64 {
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

func (m *storeMetrics) of(cache string) counters {
	return counters{
		local: m.requests.WithLabelValues(cache, "local"), shared: m.requests.WithLabelValues(cache, "shared"), miss: m.requests.WithLabelValues(cache, "miss"),
		fetchFailed: m.failures.WithLabelValues(cache, "fetch"), redisFailed: m.failures.WithLabelValues(cache, "redis"),
	}
}

// errStrange: what stands in Redis is nothing that this program put there.
var errStrange = errors.New("cache: a value in redis cannot be read")
