package notifications

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/customers/customersapi"
	"shop/internal/notifications/notificationsapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestEachEventOfAnOrderMakesOneMessage(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		o := order("ord_1", "ada@example.org")
		events := []bus.Body{
			ordersapi.OrderPlaced{Summary: o}, ordersapi.OrderConfirmed{Summary: o}, ordersapi.OrderShipped{Summary: o, Carrier: "DHL", TrackingNumber: "42"},
			ordersapi.OrderDelivered{Summary: o}, ordersapi.OrderRefunded{Summary: o, RefundID: "ref_1", Amount: eur(500), Refunded: eur(500)},
			ordersapi.OrderRefunded{Summary: o, RefundID: "ref_2", Amount: eur(100), Refunded: eur(600)},
			ordersapi.OrderCancelled{Summary: order("ord_2", "ada@example.org"), Reason: "out_of_stock", Refunded: eur(2000)},
		}
		d.tell(events...)
		d.tell(events...) // as messages of their own, with other ids
		texts := map[string]string{}
		for _, id := range []string{"ord_1.order_confirmed", "ord_1.order_shipped", "ord_1.refunded.ref_1", "ord_1.refunded.ref_2", "ord_2.order_cancelled"} {
			n := d.until(id, "sent")
			require.Equal(t, "smtp", n.Channel)
			require.NotNil(t, n.SentAt)
			require.EqualValues(t, 1, n.Attempts)
		}
		letters := b.of("ada@example.org")
		require.Len(t, letters, 5)
		for _, l := range letters {
			m := l.open(t)
			require.Equal(t, "orders@tea.example", l.from)
			require.Equal(t, `"Tea Shop" <orders@tea.example>`, m.header.Get("From"))
			require.Equal(t, "auto-generated", m.header.Get("Auto-Submitted"))
			texts[m.header.Get("Message-Id")] = m.subject + "\n" + m.text
		}
		require.Equal(t, map[string]string{
			"<ord_1.order_confirmed@tea.example>": "Your order ord_1 is confirmed\nHello,\n\nThank you for your order. We have received your payment of 20.00 EUR\n" +
				"and will tell you as soon as it is on its way.\n\nYour order number is ord_1.\n\nTea Shop\n",
			"<ord_1.order_shipped@tea.example>": "Your order ord_1 is on its way\nHello,\n\nYour order has left our house, with DHL.\n\nTracking number: 42\n\n" +
				"Your order number is ord_1.\n\nTea Shop\n",
			"<ord_1.refunded.ref_1@tea.example>": "A refund for your order ord_1\nHello,\n\nWe have given back 5.00 EUR of what you paid for your order. It depends on your bank when you see it.\n\n" +
				"Your order number is ord_1.\n\nTea Shop\n",
			"<ord_1.refunded.ref_2@tea.example>": "A refund for your order ord_1\nHello,\n\nWe have given back 1.00 EUR of what you paid for your order,\n6.00 EUR in all. It depends on your bank when you see it.\n\n" +
				"Your order number is ord_1.\n\nTea Shop\n",
			"<ord_2.order_cancelled@tea.example>": "Your order ord_2 is cancelled\nHello,\n\nYour order is cancelled. We are sorry: something you ordered is no longer in stock.\n\n" +
				"We have given back 20.00 EUR. It depends on your bank when you see it.\n\nYour order number is ord_2.\n\nTea Shop\n",
		}, texts)
		var kept int
		require.NoError(t, d.db.Get(t.Context(), &kept, `SELECT count(*) FROM intents WHERE email <> ''`))
		require.Zero(t, kept, "an address is forgotten once its message is sent")
	})
}

func TestWithoutAMailServerAMessageIsOnlyNoted(t *testing.T) {
	var logged *observer.ObservedLogs
	needs := func(*testing.T) Needs {
		core, logs := observer.New(zap.InfoLevel)
		logged = logs
		return Needs{Log: zap.New(core)}
	}
	atDesk(t, needs, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "ada@example.org"), orderConfirmedBy("ord_2", "bob@example.org"))
		n := d.until("ord_1.order_confirmed", "sent")
		d.until("ord_2.order_confirmed", "sent")
		require.Equal(t, "log", n.Channel)
		require.NotNil(t, n.SentAt)
		require.EqualValues(t, 1, n.Attempts)
		require.Eventually(t, func() bool { return logged.FilterField(zap.String("kind", "order_confirmed")).Len() == 2 }, 10*time.Second, time.Millisecond, "told after it is durable")
		for _, l := range logged.All() {
			for _, value := range l.ContextMap() {
				require.NotContains(t, fmt.Sprint(value), "example.org", "no address in the log")
			}
		}
	})
}

func TestAnOrderWithoutAnAddressFindsThatOfTheProfile(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(customersapi.CustomerRegistered{CustomerID: "cus_ord_1", Name: "Ada Lovelace", Email: "ada@example.org", Version: 1})
		d.tell(orderConfirmedBy("ord_1", ""))
		d.until("ord_1.order_confirmed", "sent")
		m := b.of("ada@example.org")[0].open(t)
		require.Equal(t, `"Ada Lovelace" <ada@example.org>`, m.header.Get("To"))
		require.Contains(t, m.text, "Hello Ada Lovelace,")

		d.tell(customersapi.CustomerChanged{CustomerID: "cus_ord_1", Name: "Ada King", Email: "ada@king.example", Version: 2})
		d.tell(customersapi.CustomerChanged{CustomerID: "cus_ord_1", Name: "Old", Email: "old@example.org", Version: 1})
		d.tell(ordersapi.OrderShipped{Summary: order("ord_1", "")})
		d.until("ord_1.order_shipped", "sent")
		require.Len(t, b.of("ada@king.example"), 1)
		require.Contains(t, b.of("ada@king.example")[0].open(t).text, "Hello Ada King,")

		d.tell(ordersapi.OrderCancelled{Summary: order("ord_1", "said@with.order.example"), Reason: "failed"})
		d.until("ord_1.order_cancelled", "sent")
		require.Len(t, b.of("said@with.order.example"), 1, "what the order says counts")
	})
}

func TestNobodyToWriteToIsSaidAndMendedWhenTheProfileComesLate(t *testing.T) {
	atDesk(t, nil, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", ""), orderConfirmedBy("ord_2", ""))
		for _, id := range []string{"ord_1.order_confirmed", "ord_2.order_confirmed"} {
			n := d.until(id, "skipped")
			require.Equal(t, "no_address", n.Problem)
			require.Zero(t, n.Attempts)
		}
		d.tell(customersapi.CustomerRegistered{CustomerID: "cus_ord_1", Name: "Ada", Email: "ada@example.org", Version: 1})
		d.until("ord_1.order_confirmed", "sent")
		d.time.Advance(lateContact + time.Second)
		d.tell(customersapi.CustomerRegistered{CustomerID: "cus_ord_2", Name: "Bob", Email: "bob@example.org", Version: 1})
		require.Equal(t, "skipped", d.until("ord_2.order_confirmed", "skipped").Status, "what is old news stays unsaid")
	})
}

func TestNothingIsSentToAnErasedCustomer(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(customersapi.CustomerRegistered{CustomerID: "cus_ord_1", Name: "Ada", Email: "ada@example.org", Version: 1})
		d.tell(ordersapi.OrderConfirmed{Summary: order("ord_1", "busy@example.org")}, ordersapi.OrderCancelled{Summary: order("ord_1", "refused@example.org")},
			ordersapi.OrderRefunded{Summary: order("ord_1", "cut@example.org"), RefundID: "ref_1", Amount: eur(1), Refunded: eur(1)})
		d.until("ord_1.order_cancelled", "failed")
		d.until("ord_1.refunded.ref_1", "unknown")
		require.Eventually(t, func() bool {
			n := d.until("ord_1.order_confirmed", "pending")
			return n.Attempts == 1
		}, patience, 2*time.Millisecond)

		d.tell(customersapi.CustomerErased{CustomerID: "cus_ord_1", Version: 2})
		d.tell(customersapi.CustomerChanged{CustomerID: "cus_ord_1", Name: "Ada", Email: "ada@example.org", Version: 1}) // an old one
		d.tell(ordersapi.OrderShipped{Summary: order("ord_1", "ada@example.org")})
		for _, id := range []string{"ord_1.order_confirmed", "ord_1.order_cancelled", "ord_1.order_shipped"} {
			require.Equal(t, "customer_erased", d.until(id, "skipped").Problem, id)
		}
		d.until("ord_1.refunded.ref_1", "unknown")
		d.time.Advance(time.Hour)
		var kept []struct{ Email, Problem string }
		require.NoError(t, d.db.Select(t.Context(), &kept, `SELECT email, problem FROM intents UNION ALL SELECT email, name FROM contacts`))
		for _, k := range kept {
			require.Empty(t, k.Email)
			require.NotContains(t, k.Problem, "example.org")
		}
		require.Empty(t, b.of("ada@example.org"))
	})
}

func TestABatchOfEventsCostsOneStatement(t *testing.T) {
	db := dbtest.Open(t, "notifications", pgtest.NewDatabase(t)) // SQLite has no round trips to save
	m := New(Needs{DB: db, Bus: bus.NewMemory()})
	const n = 100
	before := db.Stats().Statements.Load()
	require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		for i := range n {
			e := orderConfirmedBy(fmt.Sprintf("ord_%d", i), "")
			m.intend(ctx, tx, e.Summary, confirmed(e))
		}
		return nil
	}))
	require.EqualValues(t, 1, db.Stats().Statements.Load()-before)
}

func viewsOf(t *testing.T, d *desk, target string) []notificationsapi.Notification {
	t.Helper()
	type page struct {
		Data []notificationsapi.Notification
	}
	return is[page](d.ask(operator, "GET", target), 200).Data
}
