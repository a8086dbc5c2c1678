package cache

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	markLife  = 3                      // how many times the longest fetch a mark stays
	maxKnown  = 10_000                 // invalidations that are remembered; with more, Redis is not used at all for a while
	tellAgain = 500 * time.Millisecond // pause before it is tried again
	tellBatch = 500                    // keys in one pipeline
	prefix    = "shop:cache:"
)

// What stands in a key: a mark, or what a fetch found (a value, or that there is none), with the generation and with whether anything stood in the key when the fetch
// began. No text stands there twice.
const (
	isMark  = 'x' // x<random>
	isValue = 'v' // v<generation>,<random>,<0 or 1>\n<JSON>
	isNone  = 'n' // n<generation>,<random>,<0 or 1>\n
)

// remote is a cache's part in Redis.
type remote struct {
	shared *Shared
	cfg    Config
	failed prometheus.Counter
	log    *zap.Logger

	mu      sync.Mutex
	owed    map[string]uint64    // keys of whose invalidation Redis was not told, with its serial number: they are not used
	told    map[string]time.Time // keys of whose invalidation it was told, and until when something is left that was fetched before: of a Redis that has forgotten it that is not taken
	owedAll uint64               // serial number of an InvalidateAll that it was not told of
	toldAll time.Time            // until then a Redis without generation has forgotten it
	serial  uint64
	skip    time.Time // nothing is used before
	again   *time.Timer
	stopped bool
}

func newRemote(s *Shared, cfg Config, failed prometheus.Counter, log *zap.Logger) *remote {
	return &remote{shared: s, cfg: cfg, failed: failed, log: log, owed: map[string]uint64{}, told: map[string]time.Time{}}
}

func (r *remote) key(key string) string { return prefix + r.cfg.Name + ":v:" + key }
func (r *remote) generationKey() string { return prefix + r.cfg.Name + ":generation" }

// sighting is what stood in Redis.
type sighting struct {
	hit      bool
	raw      string // all of it; empty: nothing
	since    string // the head of what a fetch finds that begins now
	body     string // after the line break
	left     time.Duration
	writable bool // Redis was asked, so that what it holds can be told from what comes later
}

// read looks a key up: value, time left and generation as of one moment, in one round trip.
func (r *remote) read(ctx context.Context, key string) sighting {
	if !r.trusts(key) {
		return sighting{}
	}
	var value, generation *redis.StringCmd
	var left *redis.DurationCmd
	err := r.shared.Do(ctx, func(ctx context.Context, c *redis.Client) error {
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
			value, left, generation = p.Get(ctx, r.key(key)), p.PTTL(ctx, r.key(key)), p.Get(ctx, r.generationKey())
			return nil
		})
		return err
	})
	if err != nil {
		r.failed.Inc()
		return sighting{}
	}
	s := sighting{raw: value.Val(), left: left.Val(), writable: true}
	s.since = generation.Val() + "," + unique() + ",0\n"
	if s.raw == "" {
		return s
	}
	s.since = s.since[:len(s.since)-2] + "1\n"
	head, body, whole := strings.Cut(s.raw[1:], "\n")
	fetchedIn, rest, _ := strings.Cut(head, ",")
	if whole && s.left > 0 && fetchedIn == generation.Val() && r.recent(key, fetchedIn, strings.HasSuffix(rest, ",1")) {
		s.hit, s.body = true, body
	}
	return s
}

// recent reports whether a value was fetched after the last invalidation of this process. Redis sees to that, unless it has been restarted and is empty: then a fetch
// from before may find nothing in the key, just as when it began. What began when there was something in the key, and was stored because the same was there still,
// began after the mark, which replaced all there was.
func (r *remote) recent(key, generation string, onSomething bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return (onSomething || now.After(r.told[key])) && (generation != "" || now.After(r.toldAll))
}

// writeUnlessChanged stores a value if what was seen before the fetch still stands there.
var writeUnlessChanged = redis.NewScript(`
	if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then
		redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
	end
	return 0`)

// write stores a value that was fetched after the sighting.
func (r *remote) write(ctx context.Context, key string, seen sighting, value string, ttl time.Duration) {
	if ttl = ttl.Truncate(time.Millisecond); ttl <= 0 {
		return
	}
	value = value[:1] + seen.since + value[1:]
	err := r.shared.Do(ctx, func(ctx context.Context, c *redis.Client) error {
		return writeUnlessChanged.Run(ctx, c, []string{r.key(key)}, seen.raw, value, ttl.Milliseconds()).Err()
	})
	if err != nil {
		r.failed.Inc()
	}
}

// encode gives what write stores, without the generation. Errors: those of encoding/json.
func encode[V any](e entry[V]) (string, error) {
	if !e.found {
		return string(isNone), nil
	}
	b, err := json.Marshal(e.value)
	return string(isValue) + string(b), err
}

func decode[V any](s sighting) (entry[V], error) {
	e := entry[V]{found: s.raw[0] == isValue}
	if !e.found {
		if s.raw[0] != isNone {
			return e, errStrange
		}
		return e, nil
	}
	return e, json.Unmarshal([]byte(s.body), &e.value)
}

// trusts reports whether what stands in Redis may be used.
func (r *remote) trusts(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, owed := r.owed[key]
	return !owed && r.owedAll == 0 && !time.Now().Before(r.skip)
}

// outlives is when nothing is left of what is fetched before now.
func (r *remote) outlives() time.Time {
	return time.Now().Add(r.cfg.Fetch + max(r.cfg.TTL, r.cfg.Negative))
}

func (r *remote) distrust(keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		r.serial++
		r.owed[key] = r.serial
		delete(r.told, key)
	}
	if len(r.owed)+len(r.told) > maxKnown {
		now := time.Now()
		maps.DeleteFunc(r.told, func(_ string, until time.Time) bool { return now.After(until) })
	}
	if len(r.owed)+len(r.told) > maxKnown {
		clear(r.owed)
		clear(r.told)
		r.skip = r.outlives()
	}
}

func (r *remote) distrustAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	r.owedAll = r.serial
}

// news is what Redis has not been told yet.
type news struct {
	serials map[string]uint64
	all     uint64
	until   time.Time // then nothing is left that was fetched before
}

// tell tells Redis of what it was not told yet, and goes on trying in the background.
func (r *remote) tell(ctx context.Context) {
	for n := r.news(); len(n.serials) > 0 || n.all != 0; n = r.news() {
		err := r.shared.Do(ctx, func(ctx context.Context, c *redis.Client) error {
			_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				if n.all != 0 {
					p.Set(ctx, r.generationKey(), unique(), 0)
				}
				for key := range n.serials {
					p.Set(ctx, r.key(key), string(isMark)+unique(), markLife*r.cfg.Fetch)
				}
				return nil
			})
			return err
		})
		if err != nil {
			r.failed.Inc()
			r.tellLater()
			return
		}
		r.settle(n)
	}
}

func (r *remote) news() news {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := news{serials: map[string]uint64{}, all: r.owedAll, until: r.outlives()}
	for key, serial := range r.owed {
		if n.serials[key] = serial; len(n.serials) == tellBatch {
			break
		}
	}
	return n
}

// settle notes what Redis knows now; what was invalidated again meanwhile stays owed.
func (r *remote) settle(n news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, serial := range n.serials {
		if r.owed[key] == serial {
			delete(r.owed, key)
			r.told[key] = n.until
		}
	}
	if r.owedAll == n.all && n.all != 0 {
		r.owedAll, r.toldAll = 0, n.until
	}
}

func (r *remote) tellLater() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.again != nil || r.stopped {
		return
	}
	r.again = time.AfterFunc(tellAgain, func() {
		r.mu.Lock()
		r.again = nil
		r.mu.Unlock()
		r.tell(context.Background())
	})
}

func (r *remote) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped = true; r.again != nil {
		r.again.Stop()
	}
}

// unique is a text that no other mark or generation has.
func unique() string {
	return strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
}
