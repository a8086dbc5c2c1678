package notifications

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

// The tests of this file turn tracing on for the process, so they do not run in parallel.

const placing = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// tellIn is tell from within a trace.
func (d *desk) tellIn(traceparent string, events ...bus.Body) {
	d.t.Helper()
	require.NoError(d.t, d.tellerDB.Write(telemetry.WithTraceparent(d.t.Context(), traceparent), "", func(ctx context.Context, tx *sqldb.Tx) error {
		return d.teller.Publish(ctx, tx, events...)
	}))
	d.tell()
}

func TestAMailIsAClientSpanThatTellsNothingOfWhomItIsFor(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var b *inbox
		needs := func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }
		atDeskWith(t, url, needs, func(t *testing.T, d *desk) {
			spans := telemetrytest.Record(t)
			d.tellIn(placing, orderConfirmedBy("ord_1", "ada@example.org"), orderConfirmedBy("ord_2", "refused@example.org"))
			d.until("ord_1.order_confirmed", "sent")
			d.until("ord_2.order_confirmed", "failed")
			for _, span := range spans.Wait(telemetry.SpanMail, 2) {
				require.Equal(t, trace.SpanKindClient, span.SpanKind())
				require.Equal(t, placing[3:35], span.SpanContext().TraceID().String())
				said := telemetrytest.Attributes(span)
				want := map[attribute.Key]string{"shop.order.id": "ord_1", "shop.mail.template": "order_confirmed", "server.address": "127.0.0.1", "server.port": fmt.Sprint(b.addr.Port)}
				if said["shop.order.id"] == "ord_2" {
					want["shop.order.id"], want["error.type"] = "ord_2", "550"
				}
				require.Equal(t, want, said)
				require.Equal(t, said["error.type"] != "", span.Status().Code == codes.Error)
				require.NotContains(t, strings.ToLower(span.Status().Description), "example")
			}
		})
	})
}

func TestAMailThatIsSentLaterByAnotherProcessStaysInTheTraceOfItsOrder(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		b := openInbox(t, nil)
		d := &desk{t: t, url: url, transport: newTransport(), time: clock.NewFake(time.Now())}
		first, second := d.open(Needs{}), d.open(mailing(b))
		d.Module = second
		spans := telemetrytest.Record(t)
		e := orderConfirmedBy("ord_1", "ada@example.org")
		require.NoError(t, first.db.Write(telemetry.WithTraceparent(t.Context(), placing), "", func(ctx context.Context, tx *sqldb.Tx) error {
			first.intend(ctx, tx, e.Summary, confirmed(e))
			return nil
		}))
		_, err := second.courier.round(t.Context())
		require.NoError(t, err)
		d.until("ord_1.order_confirmed", "sent")
		require.Equal(t, placing, telemetrytest.Traceparent(spans.One(telemetry.SpanMail).Parent()))
	})
}

func TestAMailWhoseTraceIsNotRecordedLeavesNoSpan(t *testing.T) {
	var b *inbox
	needs := func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }
	atDeskWith(t, "sqlite:"+t.TempDir(), needs, func(t *testing.T, d *desk) {
		spans := telemetrytest.Record(t)
		d.tellIn(placing[:len(placing)-1]+"0", orderConfirmedBy("ord_1", "ada@example.org"))
		d.until("ord_1.order_confirmed", "sent")
		require.Empty(t, spans.Started())
		var kept string
		require.NoError(t, d.db.Get(t.Context(), &kept, `SELECT traceparent FROM intents`))
		require.Empty(t, kept)
	})
}
