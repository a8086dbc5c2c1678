package flags

import (
	"context"
	"strings"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options of a file of flags. The zero value of each has a default.
type Options struct {
	Known   []string      // the flags that there are; others in the file are an error
	Every   time.Duration // between two looks whether it has changed (1 s)
	Log     *zap.Logger
	Metrics prometheus.Registerer // nil: none
}

// Flags are asked here. They are safe for concurrent use; nil has none, so that everything is off.
type Flags struct {
	api    *openfeature.EvaluationAPI // of our own: what other parts of a program set as the provider of the whole does not matter here
	client *openfeature.Client
	file   *file
}

// shutdownPatience is how long Close waits for what a provider has to finish.
const shutdownPatience = time.Second

// Open reads the file and goes on to look for changes of it until Close. Errors: that it cannot be read; where it makes no sense.
func Open(path string, o Options) (*Flags, error) {
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	f, err := newFile(path, o)
	if err != nil {
		return nil, err
	}
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(context.Background(), f); err != nil {
		return nil, err
	}
	return &Flags{api, api.NewClient(), f}, nil
}

// Check reads the file as Open does, and leaves it at that. Errors: those of Open.
func Check(path string, known []string) error {
	_, err := newFile(path, Options{Known: known})
	return err
}

// Close ends looking for changes. The flags stay what they are.
func (f *Flags) Close() {
	if f == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	_ = f.api.Shutdown(ctx) // the file has nothing to finish
}

// Decision is what a flag says about somebody.
type Decision struct {
	On       bool
	Reason   string // OpenFeature's: SPLIT, TARGETING_MATCH, STATIC, DISABLED, …; DEFAULT without a flag
	Mirror   bool
	Fallback bool
	Ignore   []string
}

// attributeNames are in the evaluation context what somebody is called beside their key.
const attributeNames = "names"

// Decide asks a flag about a key, which goes by these names as well: the share is of the keys, the lists may have both. A flag that there is not is off.
func (f *Flags) Decide(ctx context.Context, flag, key string, names ...string) Decision {
	if f == nil {
		return Decision{Reason: string(openfeature.DefaultReason)}
	}
	about := openfeature.NewEvaluationContext(key, map[string]any{attributeNames: names})
	details, err := f.client.BooleanValueDetails(ctx, flag, false, about)
	d := Decision{On: details.Value, Reason: string(details.Reason)}
	if err != nil {
		d.Reason = string(openfeature.DefaultReason)
	}
	d.Mirror, _ = details.FlagMetadata.GetBool(metaMirror)
	d.Fallback, _ = details.FlagMetadata.GetBool(metaFallback)
	if list, _ := details.FlagMetadata.GetString(metaIgnore); list != "" {
		d.Ignore = strings.Split(list, ",")
	}
	return d
}

// Rollout is what the flag says at the moment; false without a flag.
func (f *Flags) Rollout(flag string) (Rollout, bool) {
	if f == nil {
		return Rollout{}, false
	}
	r := (*f.file.flags.Load())[flag]
	if r == nil {
		return Rollout{}, false
	}
	return *r, true
}
