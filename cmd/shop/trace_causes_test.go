package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/orders"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

// toldOf is what is printed of an order that waits for payments.
func toldOf(f *orderTrace) string {
	var out bytes.Buffer
	f.OrderID = "ord_1"
	f.printState(&waterfall{text: &text{w: &out}, style: &style{}}, traceNoon)
	return out.String()
}

func waitsForPayments() *orders.Diagnosis {
	return &orders.Diagnosis{Waits: &orders.Wait{Step: "take_payment", On: "payments", Since: traceNoon}}
}

func TestTheProcessThatHasTheNextStepIsAskedHowItIs(t *testing.T) {
	readyz := ""
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(readyz)) }))
	defer there.Close()
	at, err := url.Parse(there.URL)
	require.NoError(t, err)
	var cfg config
	cfg.front.elsewhere = map[string]*url.URL{"payments": at}
	told := func() string {
		f := orderTrace{Order: waitsForPayments()}
		f.findElsewhere(t.Context(), cfg)
		return toldOf(&f)
	}
	readyz = `{"status":"ok","checks":[{"name":"payments.bus","status":"ok"}]}`
	require.Regexp(t, `payments is elsewhere, at http://\S+, which is well\.\n  next: shop trace ord_1 `, told())
	readyz = `{"status":"failing","checks":[{"name":"payments.bus","status":"ok"},{"name":"payments.database","status":"failing"}]}`
	require.Regexp(t, `which is failing: payments\.database\.\n  next: shop doctor `, told())
	readyz = "welcome"
	require.Contains(t, told(), "which does not answer: what answers is no shop.")
	there.Close()
	require.Regexp(t, `which does not answer: .*refused\.\n  next: shop serve --contexts payments `, told())

	cfg.front.elsewhere = nil
	require.NotContains(t, told(), "elsewhere", "it is hosted here")
}

func TestOfTheQuestionsToTheProviderTheNewestThatFailedIsTold(t *testing.T) {
	asked := func(name, status string, after time.Duration) recorder.Span {
		return recorder.Span{Name: name, Status: status, Start: traceNoon.Add(after), End: traceNoon.Add(after + 3*time.Second), Attributes: map[string]any{string(telemetry.ErrorType): "timeout"}}
	}
	f := orderTrace{Traces: []recorder.Trace{{Spans: []recorder.Span{asked(telemetry.SpanCharge, "error", -time.Minute), asked("COMMIT", "error", 0)}}}}
	require.Equal(t, telemetry.SpanCharge, f.lastFailure().Name)
	f.Traces = append(f.Traces, recorder.Trace{Spans: []recorder.Span{asked(telemetry.SpanVoid, "error", -10*time.Second), asked(telemetry.SpanLookup, "", -5*time.Second)}})
	var out bytes.Buffer
	f.printLastFailure(&waterfall{text: &text{w: &out}, style: &style{}}, traceNoon)
	require.Equal(t, "The last attempt, \"void charge\", failed after 3.00 s, 7.00 s ago: timeout.\n", out.String())
	require.Nil(t, (&orderTrace{}).lastFailure())
}

func TestTheDoctorTellsOfAProcessThatRunsAndDoesNotLead(t *testing.T) {
	d := &doctor{}
	concluded := func() []diagnosis {
		c := &chart{}
		d.conclude(c)
		return c.take()
	}
	d.facts.lacks("orders")
	require.Len(t, concluded(), 1, "nothing runs: that nobody leads is no surprise")
	d.facts.lacks("inventory")
	d.facts.running = true
	require.Equal(t, "relay", concluded()[0].Check)
	require.Contains(t, concluded()[0].Detail, "none leads inventory, orders")
}
