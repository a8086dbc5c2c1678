package flags_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/platform/flags"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const flag = "route.catalog"

// opened is a file of flags in use.
type opened struct {
	*flags.Flags
	t       *testing.T
	path    string
	log     *observer.ObservedLogs
	metrics *prometheus.Registry
}

func open(t *testing.T, text string) *opened {
	t.Helper()
	core, log := observer.New(zap.InfoLevel)
	o := &opened{t: t, path: filepath.Join(t.TempDir(), "flags.json"), log: log, metrics: prometheus.NewRegistry()}
	o.write(text)
	var err error
	o.Flags, err = flags.Open(o.path, flags.Options{Known: []string{flag, "route.orders"}, Every: 2 * time.Millisecond, Log: zap.New(core), Metrics: o.metrics})
	require.NoError(t, err)
	t.Cleanup(o.Close)
	return o
}

// write replaces the file at once, as a careful operator does.
func (o *opened) write(text string) {
	o.t.Helper()
	require.NoError(o.t, os.WriteFile(o.path+".new", []byte(text), 0o600))
	require.NoError(o.t, os.Rename(o.path+".new", o.path))
}

func (o *opened) on(key string, names ...string) bool {
	return o.Decide(context.Background(), flag, key, names...).On
}

func (o *opened) eventually(what string, is func() bool) {
	o.t.Helper()
	require.Eventually(o.t, is, 20*time.Second, time.Millisecond, what)
}

func share(percent string) string { return `{"route.catalog": {"percent": ` + percent + `}}` }

func TestAShareIsOfThatSizeAndOfTheSameKeysAlways(t *testing.T) {
	const keys = 5_000
	on := func(percent string) map[string]bool {
		f := open(t, share(percent))
		chosen := map[string]bool{}
		for i := range keys {
			if key := fmt.Sprintf("ord_%026d", i); f.on(key) {
				chosen[key] = true
			}
		}
		return chosen
	}
	var smaller map[string]bool
	for _, percent := range []float64{0, 0.5, 1, 10, 50, 99, 100} {
		chosen := on(fmt.Sprint(percent))
		p := percent / 100
		require.InDelta(t, keys*p, len(chosen), 5*sigma(keys, p)+1e-9, "%v%%", percent)
		for key := range smaller {
			require.True(t, chosen[key], "a larger share holds all of a smaller one")
		}
		smaller = chosen
	}
	first := on("10")
	require.Equal(t, first, on("10"), "of another process too")
}

func TestWhoIsTheFirstOfOneFlagIsNotTheFirstOfAll(t *testing.T) {
	f := open(t, `{"route.catalog": {"percent": 10}, "route.orders": {"percent": 10}}`)
	const keys = 5_000
	both := 0
	for i := range keys {
		key := fmt.Sprint("customer:", i)
		if f.on(key) && f.Decide(t.Context(), "route.orders", key).On {
			both++
		}
	}
	require.InDelta(t, keys*0.01, both, 5*sigma(keys, 0.01))
}

func TestListsGoBeforeTheShareAndDenyingBeforeAllowing(t *testing.T) {
	f := open(t, `{"route.catalog": {"percent": 0, "allow": ["ann", "ord_1", "bob"], "deny": ["bob", "ord_9"], "mirror": true, "fallback": true, "ignore": ["updated_at", "data.at"]}}`)
	require.True(t, f.on("ann"))
	require.True(t, f.on("ord_1"))
	require.True(t, f.on("ord_2", "ann"), "by another name")
	require.False(t, f.on("bob"))
	require.False(t, f.on("ord_1", "bob"))
	require.False(t, f.on("carl"))
	require.Equal(t, flags.Decision{On: true, Reason: "TARGETING_MATCH", Mirror: true, Fallback: true, Ignore: []string{"updated_at", "data.at"}}, f.Decide(t.Context(), flag, "ann"))
	require.Equal(t, flags.Decision{Reason: "DEFAULT"}, f.Decide(t.Context(), "route.orders", "ann"), "a flag that is not there")
	f.write(`{"route.catalog": {"percent": 100, "allow": ["ann"], "deny": ["bob"], "mirror": true, "fallback": true, "kill": true}}`)
	f.eventually("the kill switch", func() bool { return !f.on("carl") && !f.on("ann") })
	require.Equal(t, flags.Decision{Reason: "DISABLED"}, f.Decide(t.Context(), flag, "ann"))
	f.write(`{"route.catalog": {"percent": 100, "deny": ["bob"]}}`)
	f.eventually("everybody", func() bool { return f.on("carl") && f.on("") })
	require.False(t, f.on("bob"))
	f.write(share("50"))
	f.eventually("a share", func() bool { return !f.on("") })
}

func TestNobodyHasFlagsWithoutAFile(t *testing.T) {
	var none *flags.Flags
	require.Equal(t, flags.Decision{Reason: "DEFAULT"}, none.Decide(t.Context(), flag, "ann"))
	_, is := none.Rollout(flag)
	require.False(t, is)
	none.Close()
}

func TestAFileThatBecomesWrongIsSaidOnceAndTheFlagsStay(t *testing.T) {
	f := open(t, share("100"))
	wrong := func() int { return f.log.FilterLevelExact(zap.ErrorLevel).Len() }
	f.write("{\n  \"route.catalog\": {\"percent\": 10,\n  \"alow\": []}\n}")
	f.eventually("it is said", func() bool { return wrong() == 1 })
	require.Contains(t, fmt.Sprint(f.log.FilterLevelExact(zap.ErrorLevel).All()[0].ContextMap()["error"]), f.path+`: line 3, column 8: route.catalog has no "alow"`)
	require.True(t, f.on("ann"), "as before")
	require.InDelta(t, 0, f.metric("shop_flags_valid"), 0)

	require.NoError(t, os.Remove(f.path))
	f.eventually("that it is gone is said", func() bool { return wrong() == 2 })
	require.True(t, f.on("ann"))
	f.write(share("0"))
	f.eventually("it is taken over", func() bool { return !f.on("ann") })
	f.eventually("it is valid", func() bool { return f.metric("shop_flags_valid") == 1 })
	require.Equal(t, 2, wrong(), "each is said once, however often it was looked at")
	require.InDelta(t, 2, f.metric("shop_flags_reloads_total", "invalid"), 0)
	require.InDelta(t, 1, f.metric("shop_flags_reloads_total", "ok"), 0)

	f.write("{")
	f.eventually("it is said", func() bool { return wrong() == 3 })
	f.write(share("0"))
	f.eventually("it is as it was", func() bool { return f.metric("shop_flags_valid") == 1 })
}

// metric is the value of a gauge, or of a counter with this label.
func (o *opened) metric(name string, label ...string) float64 {
	o.t.Helper()
	families, err := o.metrics.Gather()
	require.NoError(o.t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (len(label) == 0 || m.GetLabel()[0].GetValue() == label[0]) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	require.FailNow(o.t, "there is no metric", name)
	return 0
}

func TestWhatIsWrongInAFileIsSaidWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		``:                    "it is empty",
		`{"route.catalog": {`: "line 1, column 19: unexpected end of JSON input",
		"{\n\"route.catalog\": {\"percent\": 1,}}": "line 2, column 32: invalid character '}'",
		`[]`:                      "line 1, column 1: the file: expected an object",
		`{} {}`:                   "line 1, column 4: invalid character '{' after top-level value",
		`{"route.catalogue": {}}`: `there is no flag "route.catalogue"; there are route.catalog, route.orders`,
		`{"Route.catalog": {}}`:   `there is no flag "Route.catalog"`,
		`{"route.catalog": {}, "route.catalog": {}}`:                               `"route.catalog" is there twice`,
		`{"route.catalog": {"kill": true, "kill": false}}`:                         `"kill" is there twice`,
		`{"route.catalog": 10}`:                                                    "line 1, column 19: route.catalog: expected an object",
		`{"route.catalog": null}`:                                                  "line 1, column 19: route.catalog: expected an object",
		"{\"route.catalog\":\n {\"percent\": \"10\"}}":                             "line 2, column 14: route.catalog.percent: expected a number from 0 to 100",
		`{"route.catalog": {"percent": 100.1}}`:                                    "line 1, column 31: route.catalog.percent: expected 0 to 100",
		`{"route.catalog": {"percent": -1}}`:                                       "expected 0 to 100",
		`{"route.catalog": {"percent": 1e999}}`:                                    "expected a number from 0 to 100",
		`{"route.catalog": {"percent": null}}`:                                     "expected a number from 0 to 100",
		`{"route.catalog": {"Percent": 10}}`:                                       `route.catalog has no "Percent"`,
		`{"route.catalog": {"kill": "true"}}`:                                      "route.catalog.kill: expected true or false",
		`{"route.catalog": {"kill": null}}`:                                        "route.catalog.kill: expected true or false",
		`{"route.catalog": {"allow": "ann"}}`:                                      "route.catalog.allow: expected a list of strings",
		`{"route.catalog": {"allow": ["ann", null]}}`:                              "route.catalog.allow: expected a list of strings",
		`{"route.catalog": {"allow": ["ann", ""]}}`:                                "route.catalog.allow: entry 2: expected 1 to 255 bytes",
		`{"route.catalog": {"deny": [" ann"]}}`:                                    "route.catalog.deny: entry 1: expected 1 to 255 bytes",
		`{"route.catalog": {"ignore": ["a,b"]}}`:                                   "route.catalog.ignore: entry 1: expected the name of one field",
		`{"route.catalog": {"deny": [` + strings.Repeat(`"a",`, 10_000) + `"a"]}}`: "expected at most 10000 entries",
		`{}` + strings.Repeat(" ", 1<<20):                                          "longer than 1 MiB",
	} {
		path := filepath.Join(t.TempDir(), "flags.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		err := flags.Check(path, []string{"route.catalog", "route.orders"})
		require.ErrorContains(t, err, want, text[:min(len(text), 80)])
		require.ErrorContains(t, err, path)
	}
	require.ErrorIs(t, flags.Check(filepath.Join(t.TempDir(), "none"), nil), os.ErrNotExist)
}

func FuzzParsing(f *testing.F) {
	for _, text := range []string{`{}`, share("10"), `{"route.catalog":{"allow":["a"],"deny":[],"kill":true,"mirror":true,"fallback":false,"ignore":["x"]}}`, `{"route.catalog":{"percent":1e2}}`, "{\n,", `[null]`} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "flags.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if err := flags.Check(path, []string{flag}); err != nil {
			return
		}
		o, err := flags.Open(path, flags.Options{Known: []string{flag}, Every: time.Hour})
		require.NoError(t, err)
		defer o.Close()
		r, is := o.Rollout(flag)
		require.True(t, !is || r.Percent >= 0 && r.Percent <= 100)
		if d := o.Decide(t.Context(), flag, "ann"); d.On {
			require.True(t, is && !r.Kill && (r.Percent > 0 || len(r.Allow) > 0))
		}
	})
}

// sigma is the standard deviation of how many of n are chosen, each with probability p.
func sigma(n int, p float64) float64 { return math.Sqrt(float64(n) * p * (1 - p)) }
