package logging

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/metrics"
)

const (
	floodTick  = time.Second // lines are counted, and what was left out is told
	floodEvery = 100         // of those beyond the limit one in so many is written, so that a flood shows what it is about to the end
	floodGrave = 10          // times the limit: from warn on each line may be about another order
	floodKinds = 20          // kinds of lines that one telling names
)

// flood leaves out lines, when too many of the same level and message come within a second, and tells how many.
type flood struct {
	notice *zap.Logger // has no limit
	hide   *redactor
	counts *prometheus.CounterVec
	count  map[zapcore.Level]prometheus.Counter // of counts, by level

	mu      sync.Mutex
	left    map[kind]int64 // since it was told last
	others  int64          // of more kinds than floodKinds
	gravest zapcore.Level
	soon    bool // a telling is due
}

// kind is what is counted together.
type kind struct {
	level   zapcore.Level
	message string
}

func newFlood(notice *zap.Logger, hide *redactor) *flood {
	f := &flood{notice: notice, hide: hide, counts: metrics.LogDropped.CounterVec(nil), count: map[zapcore.Level]prometheus.Counter{}, left: map[kind]int64{}}
	for _, level := range levels {
		f.count[level] = f.counts.WithLabelValues(level.String())
	}
	return f
}

// limit lets the first lines of each second pass, then one in floodEvery.
func (f *flood) limit(core zapcore.Core, first int) zapcore.Core {
	hook := zapcore.SamplerHook(func(e zapcore.Entry, d zapcore.SamplingDecision) {
		if d&zapcore.LogDropped > 0 {
			f.drop(e.Level, e.Message)
		}
	})
	return byGravity{
		calm:  zapcore.NewSamplerWithOptions(core, floodTick, first, floodEvery, hook),
		grave: zapcore.NewSamplerWithOptions(core, floodTick, first*floodGrave, floodEvery, hook),
	}
}

func (f *flood) drop(level zapcore.Level, message string) {
	f.count[min(level, zapcore.ErrorLevel)].Inc()
	f.mu.Lock()
	defer f.mu.Unlock()
	k := kind{level, message}
	if _, known := f.left[k]; known || len(f.left) < floodKinds {
		f.left[k]++
	} else {
		f.others++
	}
	if !f.soon {
		f.soon, f.gravest = true, level
		time.AfterFunc(floodTick, f.tell)
	}
	f.gravest = max(f.gravest, level)
}

// tell says how many lines were left out since it was told last, at the level of the gravest of them.
func (f *flood) tell() {
	f.mu.Lock()
	left, others, gravest := f.left, f.others, f.gravest
	f.left, f.others, f.soon = map[kind]int64{}, 0, false
	f.mu.Unlock()
	sum := others
	for _, n := range left {
		sum += n
	}
	if sum == 0 {
		return
	}
	f.notice.Log(gravest, "too many lines: some were left out", zap.Int64("dropped", sum), zap.Object("of", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
		for k, n := range left {
			enc.AddInt64(k.level.String()+": "+f.hide.text(k.message), n)
		}
		if others > 0 {
			enc.AddInt64("others", others)
		}
		return nil
	})))
}

// byGravity has one core for lines up to info and one for those from warn on.
type byGravity struct{ calm, grave zapcore.Core }

func (c byGravity) of(level zapcore.Level) zapcore.Core {
	if level >= zapcore.WarnLevel {
		return c.grave
	}
	return c.calm
}

// Enabled implements zapcore.LevelEnabler.
func (c byGravity) Enabled(level zapcore.Level) bool { return c.of(level).Enabled(level) }

// With implements zapcore.Core.
func (c byGravity) With(fields []zap.Field) zapcore.Core {
	return byGravity{c.calm.With(fields), c.grave.With(fields)}
}

// Check implements zapcore.Core.
func (c byGravity) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.of(e.Level).Check(e, ce)
}

// Write implements zapcore.Core.
func (c byGravity) Write(e zapcore.Entry, fields []zap.Field) error {
	return c.of(e.Level).Write(e, fields)
}

// Sync implements zapcore.Core: both write to the same output.
func (c byGravity) Sync() error { return c.calm.Sync() }
