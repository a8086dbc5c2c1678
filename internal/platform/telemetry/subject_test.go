package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/telemetry"
)

func TestALineSaysWhatItIsAboutOnce(t *testing.T) {
	ctx := telemetry.WithTraceparent(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	ctx = telemetry.WithSubject(ctx, &telemetry.Subject{MessageID: "msg_1", OrderID: "ord_1"})
	said := func(add func(zapcore.ObjectEncoder)) map[string]any {
		enc := zapcore.NewMapObjectEncoder()
		add(enc)
		return enc.Fields
	}
	trace := map[string]any{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "message_id": "msg_1"}
	with := func(name, value string) map[string]any {
		m := map[string]any{name: value}
		for k, v := range trace {
			m[k] = v
		}
		return m
	}
	require.Equal(t, with("order_id", "ord_1"), said(telemetry.Fields(ctx).AddTo))
	require.Equal(t, with("order_id", "ord_2"), said(telemetry.FieldsOf(ctx, "ord_2").AddTo))
	require.Equal(t, with("key", "cus_1"), said(telemetry.FieldsOf(ctx, "cus_1").AddTo), "the line is not about the message's order")
	require.Equal(t, trace, said(telemetry.FieldsOf(ctx, "").AddTo))
	require.Equal(t, map[string]any{"order_id": "ord_2"}, said(telemetry.FieldsOf(t.Context(), "ord_2").AddTo))
	require.Empty(t, said(telemetry.Fields(t.Context()).AddTo))
	require.Equal(t, map[string]any{"context": "orders"}, said(telemetry.InContext("orders").AddTo))
}

func TestTheKeyOfAMessageIsItsOrderOrAnIDThatIsNoAddress(t *testing.T) {
	require.Equal(t, telemetry.OrderID.String("ord_1"), telemetry.KeyAttribute("ord_1"))
	require.Equal(t, telemetry.MessageKey.String("mug"), telemetry.KeyAttribute("mug"))
	require.Equal(t, telemetry.MessageKey.String("*"), telemetry.KeyAttribute("ann@example.org"))
}
