package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/fault"
	"shop/internal/platform/logging"
	"shop/internal/platform/telemetry"
)

// line is one of a log.
type line map[string]any

// newLog makes a log and the way to read it; each line must be one JSON object.
func newLog(t *testing.T, o logging.Options) (*logging.Log, func() []line) {
	t.Helper()
	out := &output{}
	o.Output = out
	l := logging.New(o)
	return l, func() []line {
		var all []line
		for text := range strings.Lines(out.take()) {
			var one line
			require.NoError(t, json.Unmarshal([]byte(text), &one), text)
			all = append(all, one)
		}
		return all
	}
}

// output is where a log is written to, also by timers.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// take is what was written since the last time.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.text.Reset()
	return o.text.String()
}

func TestALineIsOneObjectWithTheNamesOfTheReference(t *testing.T) {
	l, lines := newLog(t, logging.Options{Level: zapcore.InfoLevel, Limit: 100, Fields: []zap.Field{zap.String("service.name", "shop")}})
	ctx := telemetry.WithTraceparent(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	ctx = telemetry.WithSubject(ctx, &telemetry.Subject{OrderID: "ord_1", MessageID: "msg_1"})
	l.Debug("not at this level")
	l.Warn("a message\nof two lines", telemetry.Fields(ctx), zap.Error(fmt.Errorf("saving: %w", fault.New(fault.Conflict, "stale", "it has changed"))))
	all := lines()
	require.Len(t, all, 1)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, all[0]["ts"])
	delete(all[0], "ts")
	require.Equal(t, line{
		"level": "warn", "msg": "a message\nof two lines", "service.name": "shop", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
		"order_id": "ord_1", "message_id": "msg_1", "error": "saving: stale: it has changed", "error.type": "stale",
	}, all[0])
}

func TestTheTypeOfAnErrorIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	l := logging.New(logging.Options{Output: &out})
	l.Info("asked", zap.String("error.type", "chosen"), zap.Error(fault.New(fault.Conflict, "stale", "it has changed")), zap.NamedError("other", fault.New(fault.Conflict, "x", "y")))
	require.Equal(t, 1, strings.Count(out.String(), `"error.type"`))
	require.Contains(t, out.String(), `"error.type":"chosen"`)
}

type pointerError struct{ text string }

func (e *pointerError) Error() string { return e.text }

func TestAnErrorThatIsANilPointerBreaksNothing(t *testing.T) {
	l, lines := newLog(t, logging.Options{})
	var none *pointerError
	l.Info("odd", zap.Error(none), zap.Error(nil))
	require.Equal(t, "<nil>", lines()[0]["error"])
}

// A test of privacy that names what must not appear, and one that says what is left.
func TestWhatMustNotBeReadIsTakenOutOfEveryText(t *testing.T) {
	const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl-_A"
	for said, left := range map[string]string{
		"550 no such user <ann.lee+tea@mail.example.org>": "550 no such user <[email]>",
		"GET /v1/customers/ann@example.org: 404":          "GET /v1/customers/[email]: 404",
		`Get "http://c/v1/customers/ann%40example.org"`:   `Get "http://c/v1/customers/[email]"`,
		"dial postgres://shop:hunter2@db.example:5432/x":  "dial postgres://[secret]@db.example:5432/x",
		"redis://:hunter2@cache:6379":                     "redis://[secret]@cache:6379",
		"Authorization: Bearer abc.def":                   "Authorization: [token]",
		"token " + jwt + " expired":                       "token [token] expired",
		"method pm_live_51Abc is unknown":                 "method [payment method] is unknown",
		"number 4242 4242 4242 4242.":                     "number [card].",
		"number 4242-4242-4242-4242":                      "number [card]",
		"378282246310005":                                 "[card]",
		"password s3cr3t/wOrd and s3cr3t%2FwOrd":          "password [secret] and [secret]",
		// and what may be read
		"4242424242424241":  "4242424242424241", // its check digit is wrong
		"ord_01jd3q6k9v8xw": "ord_01jd3q6k9v8xw",
		"00-44556677889900112233445566778899-0000000000000001-01":  "00-44556677889900112233445566778899-0000000000000001-01",
		"github.com/go-chi/chi/v5@v5.2.3/mux.go:443 +0x1234567890": "github.com/go-chi/chi/v5@v5.2.3/mux.go:443 +0x1234567890",
		"2026-11-23T01:02:03.000004Z":                              "2026-11-23T01:02:03.000004Z",
	} {
		l, lines := newLog(t, logging.Options{Secrets: []string{"s3cr3t/wOrd", "short", ""}})
		l.With(zap.String("with", said)).Info(said, zap.String("text", said), zap.ByteString("bytes", []byte(said)), zap.Any("any", map[string]string{"k": said}),
			zap.Error(errors.New(said)), zap.Stringer("stringer", bytes.NewBufferString(said)))
		one := lines()[0]
		for _, key := range []string{"msg", "with", "text", "bytes", "error", "stringer"} {
			require.Equal(t, left, one[key], key)
		}
		require.Contains(t, one["any"], left)
	}
}

func TestTheKeyOfAMessageMayBeAnAddress(t *testing.T) {
	l, lines := newLog(t, logging.Options{})
	ctx := telemetry.WithTraceparent(t.Context(), "00-42424242424242424242424242424242-4242424242424242-01") // its span is a card's number by chance
	ctx = telemetry.WithSubject(ctx, &telemetry.Subject{Key: "ann@example.org"})
	l.Info("handled", telemetry.Fields(ctx), zap.Dict("of", zap.String("customer", "ann@example.org")))
	one := lines()[0]
	require.Equal(t, []any{"4242424242424242", "[email]", map[string]any{"customer": "[email]"}}, []any{one["span_id"], one["key"], one["of"]})
}

// dropped is what the metrics tell, by level.
func dropped(t *testing.T, l *logging.Log) map[string]int64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(l.Metrics())
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "shop_log_dropped_total", families[0].GetName())
	counts := map[string]int64{}
	for _, m := range families[0].GetMetric() {
		counts[m.GetLabel()[0].GetValue()] = int64(m.GetCounter().GetValue())
	}
	return counts
}

func TestAFloodIsCutAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLog(t, logging.Options{Level: zapcore.InfoLevel, Limit: 100})
		const flood = 100_000
		for i := range flood {
			l.Warn("handler failed", zap.Int("i", i))
			l.Info("asked", zap.Int("i", i))
			l.Debug("nobody sees it anyway")
		}
		l.Info("another line")
		written := lines()
		require.Len(t, written, 1000+(flood-1000)/100+100+(flood-100)/100+1)
		require.Equal(t, "another line", written[len(written)-1]["msg"], "other lines are not drowned")
		time.Sleep(time.Second) //nolint:forbidigo // of a clock that the test makes
		synctest.Wait()
		told := lines()
		require.Len(t, told, 1)
		warn, info := int64(flood-1000-(flood-1000)/100), int64(flood-100-(flood-100)/100)
		require.Equal(t, "warn", told[0]["level"])
		require.EqualValues(t, warn+info, told[0]["dropped"])
		require.Equal(t, map[string]any{"warn: handler failed": float64(warn), "info: asked": float64(info)}, told[0]["of"])
		require.Equal(t, map[string]int64{"debug": 0, "info": info, "warn": warn, "error": 0}, dropped(t, l))

		l.Info("asked")
		require.Len(t, lines(), 1, "a new second")
		time.Sleep(2 * time.Second) //nolint:forbidigo // of a clock that the test makes
		require.Empty(t, lines(), "nothing to tell")
	})
}

func TestManyKindsOfLinesAreToldInOneOfBoundedLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLog(t, logging.Options{Limit: 1})
		for i := range 100 {
			for range 3 {
				l.With(zap.String("context", "x")).Info(fmt.Sprintf("from ann%d@example.org", i))
			}
		}
		left := dropped(t, l)["info"]
		require.Greater(t, left, int64(150))
		lines()
		l.Close()
		told := lines()
		require.Len(t, told, 1)
		require.EqualValues(t, left, told[0]["dropped"])
		require.LessOrEqual(t, len(told[0]["of"].(map[string]any)), 21)
		require.Contains(t, fmt.Sprint(told[0]["of"]), "others")
		require.NotContains(t, fmt.Sprint(told[0]["of"]), "example.org")
	})
}

func TestWithoutALimitNothingIsLeftOut(t *testing.T) {
	l, lines := newLog(t, logging.Options{})
	for range 5000 {
		l.Info("asked")
	}
	require.Len(t, lines(), 5000)
}

// ask sends a request to the level.
func ask(l *logging.Log, method, target, body string) (int, string) {
	w := httptest.NewRecorder()
	l.Level.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	answer, _ := io.ReadAll(w.Body)
	return w.Code, string(answer)
}

func TestTheLevelIsChangedWhileTheProgramRuns(t *testing.T) {
	l, lines := newLog(t, logging.Options{Level: zapcore.ErrorLevel, Limit: 100})
	code, body := ask(l, "GET", "/log-level", "")
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"level":"error","configured":"error","until":null}`, body)
	code, body = ask(l, "PUT", "/log-level", `{"level":"debug"}`)
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"level":"debug","configured":"error","until":null}`, body)
	l.With(zap.Int("n", 1)).Debug("now it is said")
	all := lines()
	require.Len(t, all, 2)
	require.Equal(t, []any{"error", "debug"}, []any{all[0]["from"], all[0]["to"]}, "whoever changes it is seen, whatever the level")
	require.Equal(t, "now it is said", all[1]["msg"])
}

func TestALevelForSomeTimeGoesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLog(t, logging.Options{Level: zapcore.WarnLevel})
		code, body := ask(l, "PUT", "/log-level?for=10m", `{"level":"debug"}`)
		require.Equal(t, 200, code)
		require.JSONEq(t, `{"level":"debug","configured":"warn","until":"2000-01-01T00:10:00Z"}`, body)
		time.Sleep(9 * time.Minute)                             //nolint:forbidigo // of a clock that the test makes
		ask(l, "PUT", "/log-level?for=10m", `{"level":"info"}`) // anew: the first time does not count any more
		time.Sleep(9 * time.Minute)                             //nolint:forbidigo // of a clock that the test makes
		synctest.Wait()
		require.Equal(t, "info", l.Level.State().Level)
		time.Sleep(time.Minute) //nolint:forbidigo // of a clock that the test makes
		synctest.Wait()
		require.Equal(t, logging.LevelState{Level: "warn", Configured: "warn"}, l.Level.State())
		all := lines()
		require.Len(t, all, 3)
		require.Equal(t, "the level of the log is the configured one again", all[2]["msg"])

		ask(l, "PUT", "/log-level?for=10m", `{"level":"debug"}`)
		ask(l, "PUT", "/log-level", `{"level":"debug"}`)
		time.Sleep(time.Hour) //nolint:forbidigo // of a clock that the test makes
		synctest.Wait()
		require.Equal(t, "debug", l.Level.State().Level, "it was set to stay")
		l.Level.Set(zapcore.DebugLevel, time.Minute)
		l.Close() // leaves no timer
	})
}

func TestAChangeOfTheLevelThatMakesNoSenseIsAProblem(t *testing.T) {
	l, lines := newLog(t, logging.Options{})
	for _, c := range []struct {
		method, target, body, code string
		status                     int
	}{
		{"PUT", "/", `{"level":"loud"}`, "invalid_level", 422},
		{"PUT", "/", `{}`, "invalid_level", 422},
		{"PUT", "/", `{"level":"debug"`, "malformed_body", 400},
		{"PUT", "/", `{"level":"debug"}{}`, "malformed_body", 400},
		{"PUT", "/", `{"level":"debug","for":"1m"}`, "malformed_body", 400},
		{"PUT", "/", `{"level":"` + strings.Repeat("d", 2000) + `"}`, "malformed_body", 400},
		{"PUT", "/?for=soon", `{"level":"debug"}`, "invalid_for", 422},
		{"PUT", "/?for=", `{"level":"debug"}`, "invalid_for", 422},
		{"PUT", "/?for=0s", `{"level":"debug"}`, "invalid_for", 422},
		{"PUT", "/?for=25h", `{"level":"debug"}`, "invalid_for", 422},
		{"POST", "/", `{"level":"debug"}`, "method_not_allowed", 405},
		{"DELETE", "/", ``, "method_not_allowed", 405},
	} {
		code, body := ask(l, c.method, c.target, c.body)
		require.Equal(t, c.status, code, "%v: %s", c, body)
		require.Contains(t, body, `"code":"`+c.code+`"`)
	}
	require.Equal(t, "info", l.Level.State().Level)
	require.Empty(t, lines())
}
