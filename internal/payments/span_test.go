package payments

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/payments/internal/testpsp"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const (
	orderTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	placing    = "00-" + orderTrace + "-00f067aa0ba902b7-01"
	unrecorded = "00-" + orderTrace + "-00f067aa0ba902b7-00"
)

// sendIn sends commands from within a trace.
func (c *caller) sendIn(traceparent string, commands ...bus.Body) {
	c.t.Helper()
	require.NoError(c.t, c.db.Write(telemetry.WithTraceparent(c.t.Context(), traceparent), "commands", func(ctx context.Context, tx *sqldb.Tx) error {
		return c.endpoint.Publish(ctx, tx, commands...)
	}))
}

func eachTracedTill(t *testing.T, test func(t *testing.T, x *till, spans *telemetrytest.Spans)) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		x := closedTill(t, url)
		test(t, x, telemetrytest.Record(t))
	})
}

func TestACallToTheProviderIsAClientSpanThatTellsNothingOfTheMoney(t *testing.T) {
	eachTracedTill(t, func(t *testing.T, x *till, spans *telemetrytest.Spans) {
		x.open(Needs{})
		x.sendIn(placing, take("ord_paid", "pm_test_ok"), take("ord_declined", "pm_test_declined"))
		x.answer("ord_paid")
		x.answer("ord_declined")
		outcome := map[string]string{}
		for _, span := range spans.Wait(telemetry.SpanCharge, 2) {
			require.Equal(t, trace.SpanKindClient, span.SpanKind())
			require.Equal(t, orderTrace, span.SpanContext().TraceID().String())
			require.Equal(t, codes.Unset, span.Status().Code, "a refusal is an answer")
			said := telemetrytest.Attributes(span)
			require.Equal(t, map[attribute.Key]string{"shop.provider": "testpsp", "shop.order.id": said["shop.order.id"], "shop.charge.status": said["shop.charge.status"]}, said)
			outcome[said["shop.order.id"]] = said["shop.charge.status"]
		}
		require.Equal(t, map[string]string{"ord_paid": "captured", "ord_declined": "declined"}, outcome)

		x.sendIn(placing, cancel("ord_paid"))
		x.answers("ord_paid", 2)
		refund := spans.One(telemetry.SpanRefund)
		require.Equal(t, orderTrace, refund.SpanContext().TraceID().String())
		require.Equal(t, map[attribute.Key]string{"shop.provider": "testpsp", "shop.order.id": "ord_paid", "shop.charge.status": "succeeded"}, telemetrytest.Attributes(refund))
	})
}

func TestWhatTheProviderDoesNotAnswerIsAnErrorAndTheQuestionsThatFollowAreInTheSameTrace(t *testing.T) {
	eachTracedTill(t, func(t *testing.T, x *till, spans *telemetrytest.Spans) {
		x.open(Needs{Deadline: 300 * time.Millisecond})
		x.sendIn(placing, take("ord_1", "pm_test_timeout"))
		require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer("ord_1"))
		charge := spans.One(telemetry.SpanCharge)
		require.Equal(t, "timeout", telemetrytest.Attributes(charge)["error.type"])
		turn, lookup := spans.One("reconcile payments"), spans.One(telemetry.SpanLookup)
		require.Equal(t, turn.SpanContext().SpanID(), lookup.Parent().SpanID())
		require.Equal(t, "captured", telemetrytest.Attributes(lookup)["shop.charge.status"])
		for _, span := range spans.Ended() {
			require.Equal(t, orderTrace, span.SpanContext().TraceID().String(), span.Name())
		}
	})
}

func TestAPaymentThatACrashLeftBehindStaysInTheTraceOfItsOrder(t *testing.T) {
	eachTracedTill(t, func(t *testing.T, x *till, spans *telemetrytest.Spans) {
		dead := New(Needs{DB: x.db, Bus: x.bus, Provider: x.psp, Deadline: 50 * time.Millisecond})
		require.NoError(t, x.db.Write(telemetry.WithTraceparent(t.Context(), placing), "ord_1", func(ctx context.Context, tx *sqldb.Tx) error {
			return dead.take(ctx, tx, take("ord_1", "pm_test_ok"))
		}))
		x.open(Needs{Deadline: time.Second})
		require.IsType(t, paymentsapi.PaymentCaptured{}, x.answer("ord_1"))
		turn, charge := spans.One("reconcile payments"), spans.One(telemetry.SpanCharge)
		require.Equal(t, placing, telemetrytest.Traceparent(turn.Parent()))
		require.Equal(t, turn.SpanContext().SpanID(), charge.Parent().SpanID())
		require.Equal(t, "ord_1", telemetrytest.Attributes(turn)["shop.order.id"])
	})
}

func TestARefundThatTheProviderDidNotAnswerStaysInTheTraceOfItsRequest(t *testing.T) {
	eachTracedTill(t, func(t *testing.T, x *till, spans *telemetrytest.Spans) {
		x.open(Needs{})
		x.sendIn(unrecorded, take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		x.psp.SetFaults(testpsp.Faults{Failed: 1}, 1)
		w := x.request(http.MethodPost, "/v1/payments/"+x.payment("ord_1").ID+"/refunds", "k", "", "Traceparent", placing)
		require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
		x.psp.SetFaults(testpsp.Faults{}, 1)
		require.IsType(t, paymentsapi.PaymentRefunded{}, x.answers("ord_1", 2)[1])
		request := spans.One("POST /v1/payments/{id}/refunds")
		require.Equal(t, "ord_1", telemetrytest.Attributes(request)["shop.order.id"])
		require.Eventually(t, func() bool { return len(spans.Named(telemetry.SpanRefund)) >= 2 }, patience, time.Millisecond)
		calls := spans.Named(telemetry.SpanRefund)
		require.Equal(t, "_OTHER", telemetrytest.Attributes(calls[0])["error.type"])
		last := calls[len(calls)-1]
		require.Equal(t, "succeeded", telemetrytest.Attributes(last)["shop.charge.status"])
		for _, call := range calls {
			require.Equal(t, orderTrace, call.SpanContext().TraceID().String())
		}
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(spans.Named("reconcile refunds"), func(turn sdktrace.ReadOnlySpan) bool { return turn.SpanContext().SpanID() == last.Parent().SpanID() })
		}, patience, time.Millisecond, "a turn ends after the call in it")
	})
}

func TestARowWhoseTraceIsNotRecordedKeepsNothingOfIt(t *testing.T) {
	eachTracedTill(t, func(t *testing.T, x *till, spans *telemetrytest.Spans) {
		x.open(Needs{Deadline: time.Second})
		x.sendIn(unrecorded, take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		require.Empty(t, spans.Started())
		var kept string
		require.NoError(t, x.db.Get(t.Context(), &kept, `SELECT traceparent FROM payments WHERE reference = 'ord_1'`))
		require.Empty(t, kept)

		dead := New(Needs{DB: x.db, Bus: x.bus, Provider: x.psp, Deadline: 50 * time.Millisecond})
		require.NoError(t, x.db.Write(telemetry.WithTraceparent(t.Context(), unrecorded), "ord_2", func(ctx context.Context, tx *sqldb.Tx) error {
			return dead.take(ctx, tx, take("ord_2", "pm_test_ok"))
		}))
		x.answer("ord_2")
		turn := spans.One("reconcile payments")
		require.False(t, turn.Parent().IsValid(), "a trace of its own")
		require.Equal(t, "ord_2", telemetrytest.Attributes(turn)["shop.order.id"])
	})
}
