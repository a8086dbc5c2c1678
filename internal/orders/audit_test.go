package orders

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/audit"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
	"shop/internal/shipping/shippingapi"
)

// lived places an order and lets it live until it is in a status, all by the book.
func (h *house) lived(t *testing.T, status Status) string {
	t.Helper()
	id := h.place(t, 0)
	p := &part{id: id}
	h.world.parts[id] = p
	settle := func() {
		for again := true; again; {
			for _, b := range h.sent(t) {
				p.give(b)
			}
			again = p.busy()
			for at := range p.in {
				for len(p.in[at]) > 0 {
					p.work(at, func(string) bool { return false })
				}
				for len(p.out[at]) > 0 {
					e := p.out[at][0]
					p.out[at] = p.out[at][1:]
					h.tell(t, 0, e)
				}
			}
			if p.payment == "pending" {
				p.settle(func(string) bool { return false })
			}
		}
	}
	if status == Pending {
		return id
	}
	settle()
	switch status {
	case Cancelled:
		h.cancel(t, 0, id)
	case Shipped:
		p.dispatch()
	case Delivered:
		p.dispatch()
		settle()
		p.deliver()
	}
	settle()
	o, _, _ := h.order(t, id)
	require.Equal(t, status, o.Status)
	return id
}

func (h *house) audit(t *testing.T) []audit.Finding {
	t.Helper()
	found, err := h.replicas[0].Audit(t.Context())
	require.NoError(t, err)
	return found
}

// exec changes rows behind the program's back.
func (h *house) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	require.NoError(t, h.replicas[0].needs.DB.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, statement, args...)
		if err == nil && n == 0 {
			return errors.New("nothing was changed")
		}
		return err
	}))
}

// The events of an order that was cancelled after it had been confirmed, by their versions: 1 order.placed, 2 stock.reserved, 3 payment.captured,
// 4 order.confirmed, 5 shipment.created, 6 cancellation.requested, 7 and 8 compensation of the shipment, 9 and 10 of the payment, 11 and 12 of the
// stock, 13 order.cancelled.
func TestTheAuditFindsWhatIsWrongWithAnOrder(t *testing.T) {
	const event = `UPDATE events SET data = $3 WHERE stream_id = $1 AND version = $2`
	eachHouse(t, 1, func(t *testing.T, h *house) {
		for _, status := range []Status{Pending, Confirmed, Shipped, Delivered, Cancelled} {
			h.lived(t, status)
		}
		require.Empty(t, h.audit(t))
		for _, c := range []struct {
			name   string
			status Status
			plant  func(t *testing.T, id string, p *part)
			want   []string // invariants
			detail string
		}{
			{"an event is missing", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `DELETE FROM events WHERE stream_id = $1 AND version = 3`, id)
			}, []string{"I4"}, ""},
			{"an event of a type that nobody knows", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE events SET type = 'order.eaten' WHERE stream_id = $1 AND version = 3`, id)
			}, []string{"I4"}, ""},
			{"no event at all", Confirmed, func(t *testing.T, id string, _ *part) { h.exec(t, `DELETE FROM events WHERE stream_id = $1`, id) }, []string{"I4"}, ""},
			{"no summary", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `DELETE FROM order_summaries WHERE order_id = $1`, id)
			}, []string{"I11"}, ""},
			{"a summary of another status", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE order_summaries SET status = 'shipped' WHERE order_id = $1`, id)
			}, []string{"I11"}, "status is shipped, the events say confirmed"},
			{"a summary that lags behind", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE order_summaries SET version = version - 1 WHERE order_id = $1`, id)
			}, []string{"I11"}, "version is 4, the events say 5"},
			{"a summary that is ahead", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE order_summaries SET version = version + 1 WHERE order_id = $1`, id)
			}, []string{"I11"}, ""},
			{"a summary of another total", Confirmed, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE order_summaries SET total_amount = 1 WHERE order_id = $1`, id)
			}, []string{"I11"}, "total_amount is 1, the events say 2000"},
			{"a summary of another customer", Pending, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE order_summaries SET customer_id = 'eve' WHERE order_id = $1`, id)
			}, []string{"I11"}, "customer_id is eve, the events say cus_1"},
			{"more captured than the order is worth", Confirmed, func(_ *testing.T, _ string, p *part) { p.taken, p.authorized = 2001, 2001 }, []string{"I5", "I5"}, ""},
			{"more captured than authorized", Confirmed, func(_ *testing.T, _ string, p *part) { p.authorized = 1999 }, []string{"I5"}, ""},
			{"more refunded than captured", Confirmed, func(_ *testing.T, _ string, p *part) { p.refunded = 2001 }, []string{"I5"}, ""},
			{"confirmed and not paid", Confirmed, func(_ *testing.T, _ string, p *part) { p.taken = 0 }, []string{"I5", "I14"}, ""},
			{"shipped and not paid in full", Shipped, func(_ *testing.T, _ string, p *part) { p.taken = 1999 }, []string{"I5"}, ""},
			{"cancelled and not paid back", Cancelled, func(_ *testing.T, _ string, p *part) { p.refunded = 1999 }, []string{"I5"}, ""},
			{"confirmed without a parcel", Confirmed, func(_ *testing.T, _ string, p *part) { p.shipment = "" }, []string{"I14"}, ""},
			{"delivered without a parcel", Delivered, func(_ *testing.T, _ string, p *part) { p.shipment = "cancelled" }, []string{"I14"}, ""},
			{"cancelled with a parcel", Cancelled, func(_ *testing.T, _ string, p *part) { p.shipment = "created" }, []string{"I14"}, ""},
			{"a parcel before the payment", Pending, func(_ *testing.T, _ string, p *part) { p.shipment = "created" }, []string{"I14"}, ""},
			{"cancelled with stock that is kept", Cancelled, func(_ *testing.T, _ string, p *part) { p.reservation = "committed" }, []string{"I1"}, ""},
			{"cancelled with stock that is held", Cancelled, func(_ *testing.T, _ string, p *part) { p.reservation = "held" }, []string{"I1"}, ""},
			{"confirmed with stock that is free", Confirmed, func(_ *testing.T, _ string, p *part) { p.reservation = "released" }, []string{"I1"}, ""},
			{"confirmed with stock that ran out", Confirmed, func(_ *testing.T, _ string, p *part) { p.reservation = "expired" }, []string{"I1"}, ""},
			{"confirmed with stock that was refused", Confirmed, func(_ *testing.T, _ string, p *part) { p.reservation = "refused" }, []string{"I1"}, ""},
			{"delivered without stock", Delivered, func(_ *testing.T, _ string, p *part) { p.reservation = "" }, []string{"I1"}, ""},
			{"a way back in the wrong order", Cancelled, func(t *testing.T, id string, _ *part) {
				h.exec(t, event, id, 10, `{"step": "reserve_stock"}`)
				h.exec(t, event, id, 12, `{"step": "take_payment", "refunded": 2000}`)
			}, []string{"I12", "I12"}, ""},
			{"a step that was taken back twice", Cancelled, func(t *testing.T, id string, _ *part) {
				h.exec(t, `UPDATE events SET type = 'compensation.completed', data = $3 WHERE stream_id = $1 AND version = $2`, id, 9, `{"step": "create_shipment"}`)
			}, []string{"I12"}, ""},
			{"a step that was not taken back", Cancelled, func(t *testing.T, id string, _ *part) {
				h.exec(t, event, id, 7, `{"step": "take_payment"}`)
				h.exec(t, event, id, 8, `{"step": "take_payment"}`)
			}, []string{"I12", "I12"}, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				before, id := len(h.audit(t)), h.lived(t, c.status)
				c.plant(t, id, h.world.parts[id])
				var got []string
				found := h.audit(t)
				for _, f := range found {
					if f.Subject == id {
						require.Equal(t, "orders", f.Context)
						require.Contains(t, f.Detail, c.detail)
						require.NotContains(t, f.Detail, "High Street") // where a customer lives is nobody's business
						got = append(got, f.Invariant)
					}
				}
				require.Equal(t, c.want, got, "%v", found)
				require.Len(t, found, before+len(got))
			})
		}
	})
}

func TestTheAuditFindsTwoParcelsAndAnotherCurrency(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		id := h.lived(t, Confirmed)
		h.replicas[0].needs.Shipping = twoParcels{worldShipping{h.world}}
		found := h.audit(t)
		require.Len(t, found, 2)
		require.Equal(t, audit.Finding{Invariant: "I14", Context: "orders", Subject: id, Detail: "2 shipments with 2000 captured"}, found[0])

		h.replicas[0].needs.Shipping = worldShipping{h.world}
		first, err := price(t.Context(), newCatalog(), basket().wish())
		require.NoError(t, err)
		first.Total.Currency = "USD"
		h.exec(t, `UPDATE events SET data = $2 WHERE stream_id = $1 AND version = 1`, id, string(sqldb.Marshal(first)))
		h.exec(t, `UPDATE order_summaries SET currency = 'USD' WHERE order_id = $1`, id)
		found = h.audit(t)
		require.Len(t, found, 1)
		require.Equal(t, audit.Finding{Invariant: "I5", Context: "orders", Subject: id, Detail: "paid in EUR, ordered in USD"}, found[0])
	})
}

// twoParcels has two parcels for every order.
type twoParcels struct{ worldShipping }

func (w twoParcels) Shipments(ctx context.Context, references []string) ([]shippingapi.Shipment, error) {
	found, err := w.worldShipping.Shipments(ctx, references)
	return append(found, found...), err
}

func TestTheAuditFindsOrdersThatNobodyCaresAbout(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		pending, done := h.lived(t, Pending), h.lived(t, Delivered)
		h.clock.Advance(17 * time.Minute)
		require.Empty(t, h.audit(t))
		h.clock.Advance(time.Second)
		found := h.audit(t)
		require.Equal(t, []audit.Finding{{Invariant: "I3", Context: "orders", Subject: pending, Detail: "pending, process running, nothing happened for 17m1s"}}, found)
		require.NotEqual(t, pending, done)
	})
}

func TestTheAuditReadsMoreOrdersThanFitOnAPage(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		m := h.replicas[0]
		first, err := price(t.Context(), m.needs.Prices, basket().wish())
		require.NoError(t, err)
		var ids []string
		require.NoError(t, m.needs.DB.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			ids = nil
			for range auditPage + 3 {
				ids = append(ids, newID(t.Context()))
				if _, err := m.process.place(ctx, tx, ids[len(ids)-1], first); err != nil {
					return err
				}
			}
			return nil
		}))
		require.Empty(t, h.audit(t))
		h.clock.Advance(time.Hour)
		require.Len(t, h.audit(t), len(ids))
	})
}

func TestTheAuditSaysWhoDoesNotAnswer(t *testing.T) {
	eachHouse(t, 1, func(t *testing.T, h *house) {
		h.lived(t, Confirmed)
		h.replicas[0].needs.Shipping = silentShipping{}
		_, err := h.replicas[0].Audit(t.Context())
		require.ErrorContains(t, err, "shipping: ")
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
	})
}

type silentShipping struct{}

func (silentShipping) Shipments(context.Context, []string) ([]shippingapi.Shipment, error) {
	return nil, fault.New(fault.Unavailable, "shipping_unavailable", "shipping does not answer")
}

func TestTheAuditOfAShopAtWorkIsSilent(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		liveByFate(s)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.placeMany(100, func(i int, id string) {
				if i%2 == 0 {
					s.cancel(id)
				}
			})
		}()
		looks := 0
		for working := true; working; looks++ {
			select {
			case <-done:
				working = false
			default:
			}
			found, err := s.m.Audit(t.Context())
			require.NoError(t, err)
			require.Empty(t, found)
		}
		require.Greater(t, looks, 1)
		s.sound()
	})
}
