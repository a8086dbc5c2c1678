package flags

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"shop/internal/platform/metrics"
)

// file is the provider of the flags of a local file. It looks whether the file has changed; one that makes no sense, or is gone, is logged once, and the flags stay what they were.
type file struct {
	path  string
	known []string
	every time.Duration
	log   *zap.Logger

	flags   atomic.Pointer[map[string]*Rollout] // all at once: nobody sees a part of a change
	read    []byte                              // what they were made of
	refused string                              // what was last said to be wrong
	doubted []byte                              // what made no sense a moment ago: perhaps it was still being written

	events  chan openfeature.Event
	stop    chan struct{}
	stopped sync.WaitGroup

	reloads *prometheus.CounterVec
	valid   prometheus.Gauge
}

var (
	_ openfeature.FeatureProvider = (*file)(nil)
	_ openfeature.StateHandler    = (*file)(nil)
	_ openfeature.EventHandler    = (*file)(nil)
)

// newFile reads the file. Errors: that it cannot be read, or where it makes no sense.
func newFile(path string, o Options) (*file, error) {
	f := &file{path: path, known: o.Known, every: o.Every, log: o.Log, events: make(chan openfeature.Event, 1), stop: make(chan struct{})}
	f.reloads, f.valid = metrics.FlagsReloads.CounterVec(nil), metrics.FlagsValid.Gauge(nil)
	for _, result := range metrics.FlagsReloads.Labels[0].Values {
		f.reloads.WithLabelValues(result)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	flags, err := parse(data, f.known)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.use(data, flags)
	if o.Metrics != nil {
		o.Metrics.MustRegister(f.reloads, f.valid)
	}
	return f, nil
}

func (f *file) use(data []byte, flags map[string]*Rollout) {
	f.read, f.doubted, f.refused = data, nil, ""
	f.flags.Store(&flags)
	f.valid.Set(1)
}

// readFile reads it whole. The file is opened by its name each time, so that it may be replaced, or be a link to one that is.
func readFile(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it is only read
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is longer than 1 MiB", path)
	}
	return data, err
}

// Init begins to look for changes.
func (f *file) Init(openfeature.EvaluationContext) error {
	f.stopped.Go(f.watch)
	return nil
}

// Shutdown ends that.
func (f *file) Shutdown() {
	close(f.stop)
	f.stopped.Wait()
}

// watch compares what the file says rather than its times: a second may hold two changes of the same length, and a file that is mounted keeps odd times.
func (f *file) watch() {
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look takes the file over if it has changed.
func (f *file) look() {
	data, err := readFile(f.path)
	if err != nil {
		if doubt := []byte(err.Error()); !bytes.Equal(f.doubted, doubt) { // a moment without a file is how some replace it
			f.doubted = doubt
			return
		}
		f.refuse(err)
		return
	}
	if bytes.Equal(data, f.read) {
		if f.refused != "" {
			f.log.Info("the file of flags is as it was before it was wrong", zap.String("file", f.path))
		}
		f.doubted, f.refused = nil, ""
		f.valid.Set(1)
		return
	}
	flags, err := parse(data, f.known)
	switch {
	case err == nil:
		f.takeOver(data, flags)
	case bytes.Equal(f.doubted, data):
		f.refuse(fmt.Errorf("%s: %w", f.path, err))
	default:
		f.doubted = data
	}
}

func (f *file) takeOver(data []byte, flags map[string]*Rollout) {
	changed := changes(*f.flags.Load(), flags)
	f.use(data, flags)
	f.reloads.WithLabelValues("ok").Inc()
	for _, name := range changed {
		r := flags[name]
		if r == nil {
			r = &Rollout{}
		}
		f.log.Info("a flag has changed", zap.String("flag", name), zap.Float64("percent", r.Percent), zap.Bool("kill", r.Kill), zap.Bool("mirror", r.Mirror),
			zap.Bool("fallback", r.Fallback), zap.Int("allow", len(r.Allow)), zap.Int("deny", len(r.Deny)))
	}
	f.tell(openfeature.Event{ProviderName: f.Metadata().Name, EventType: openfeature.ProviderConfigChange, ProviderEventDetails: openfeature.ProviderEventDetails{FlagChanges: changed}})
}

// tell leaves an event for whoever listens. One that nobody takes is no reason to wait: the flags have changed.
func (f *file) tell(e openfeature.Event) {
	select {
	case f.events <- e:
	default:
	}
}

// refuse says once what is wrong.
func (f *file) refuse(err error) {
	if f.refused == err.Error() {
		return
	}
	f.refused = err.Error()
	f.valid.Set(0)
	f.reloads.WithLabelValues("invalid").Inc()
	f.log.Error("the file of flags makes no sense; the flags stay what they were", zap.Error(err))
}

// changes are the names of the flags that are not in both, or not the same.
func changes(before, after map[string]*Rollout) []string {
	names := maps.Clone(after)
	maps.Copy(names, before)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(name string) bool {
		a, b := before[name], after[name]
		return a != nil && b != nil && a.Percent == b.Percent && a.Kill == b.Kill && a.Mirror == b.Mirror && a.Fallback == b.Fallback &&
			slices.Equal(a.Allow, b.Allow) && slices.Equal(a.Deny, b.Deny) && slices.Equal(a.Ignore, b.Ignore)
	})
}

// Metadata implements openfeature.FeatureProvider.
func (f *file) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: "file"} }

// Hooks implements openfeature.FeatureProvider.
func (f *file) Hooks() []openfeature.Hook { return nil }

// EventChannel implements openfeature.EventHandler.
func (f *file) EventChannel() <-chan openfeature.Event { return f.events }

// BooleanEvaluation implements openfeature.FeatureProvider: every flag of the file is a yes or no.
func (f *file) BooleanEvaluation(_ context.Context, flag string, otherwise bool, about openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	r := (*f.flags.Load())[flag]
	if r == nil {
		return openfeature.BoolResolutionDetail{Value: otherwise, ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
			ResolutionError: openfeature.NewFlagNotFoundResolutionError(flag), Reason: openfeature.DefaultReason,
		}}
	}
	key, _ := about[openfeature.TargetingKey].(string)
	names, _ := about[attributeNames].([]string)
	on, reason, err := r.decide(flag, key, names)
	detail := openfeature.ProviderResolutionDetail{Reason: reason, Variant: "off", FlagMetadata: r.metadata()}
	if on {
		detail.Variant = "on"
	}
	if errors.As(err, &detail.ResolutionError) {
		on = otherwise
	}
	return openfeature.BoolResolutionDetail{Value: on, ProviderResolutionDetail: detail}
}

func mismatch[T any](flag string, otherwise T) openfeature.GenericResolutionDetail[T] {
	return openfeature.GenericResolutionDetail[T]{Value: otherwise, ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
		ResolutionError: openfeature.NewTypeMismatchResolutionError(flag + " is a yes or no"), Reason: openfeature.ErrorReason,
	}}
}

// StringEvaluation implements openfeature.FeatureProvider.
func (f *file) StringEvaluation(_ context.Context, flag, otherwise string, _ openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return mismatch(flag, otherwise)
}

// FloatEvaluation implements openfeature.FeatureProvider.
func (f *file) FloatEvaluation(_ context.Context, flag string, otherwise float64, _ openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return mismatch(flag, otherwise)
}

// IntEvaluation implements openfeature.FeatureProvider.
func (f *file) IntEvaluation(_ context.Context, flag string, otherwise int64, _ openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return mismatch(flag, otherwise)
}

// ObjectEvaluation implements openfeature.FeatureProvider.
func (f *file) ObjectEvaluation(_ context.Context, flag string, otherwise any, _ openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return mismatch(flag, otherwise)
}
