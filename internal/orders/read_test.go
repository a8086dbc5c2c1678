package orders

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	naming "shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

// slowOrder is an order whose way takes four minutes: placed at noon, stock reserved a minute later, paid and confirmed after two, its shipment created
// after three, dispatched after four.
func slowOrder(s *shop) string {
	s.t.Helper()
	ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
	ignores[paymentsapi.TakePayment](s.payments.neighbour)
	ignores[shippingapi.CreateShipment](s.shipping.neighbour)
	id := s.place()
	s.rest()
	s.clock.Advance(time.Minute)
	s.inventory.note(id, "held")
	s.inventory.say(inventoryapi.StockReserved{Reference: id, ExpiresAt: noon})
	s.rest()
	s.clock.Advance(time.Minute)
	s.payments.say(s.payments.late(id)...)
	s.rest()
	s.clock.Advance(time.Minute)
	s.shipping.say(shippingapi.ShipmentCreated{Reference: id, ShipmentID: "shp_" + id})
	s.rest()
	s.clock.Advance(time.Minute)
	s.shipping.dispatch(id)
	s.rest()
	return id
}

func TestAnOrderCanBeReadAsItWasAtAnyTime(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := slowOrder(s)
		asOf := func(at string) reply { return s.get("/v1/orders/" + id + "?as_of=" + url.QueryEscape(at)) }
		asOf("2026-11-22T11:59:59.999999Z").refused(http.StatusNotFound, "order_not_found")
		for _, c := range []struct {
			at                   string
			status               Status
			version              int64
			payment, fulfillment string
			updated              time.Duration
		}{
			{"2026-11-22T12:00:00Z", Pending, 1, "pending", "unfulfilled", 0},
			{"2026-11-22T13:00:59.999999+01:00", Pending, 1, "pending", "unfulfilled", 0},
			{"2026-11-22T12:01:00Z", Pending, 2, "pending", "reserved", time.Minute},
			{"2026-11-22T12:02:00Z", Confirmed, 4, "captured", "reserved", 2 * time.Minute},
			{"2026-11-22T12:03:00Z", Confirmed, 5, "captured", "preparing", 3 * time.Minute},
			{"2026-11-22T12:04:00Z", Shipped, 6, "captured", "shipped", 4 * time.Minute},
			{"2096-01-01T00:00:00Z", Shipped, 6, "captured", "shipped", 4 * time.Minute},
		} {
			r := asOf(c.at).is(http.StatusOK)
			o := r.order()
			require.Equal(t, string(c.status), o.Status, c.at)
			require.Equal(t, c.version, o.Version, c.at)
			require.Equal(t, c.payment, o.Payment, c.at)
			require.Equal(t, c.fulfillment, o.Fulfillment, c.at)
			require.Equal(t, noon.Add(c.updated), o.UpdatedAt, c.at)
			require.Equal(t, noon, o.PlacedAt, c.at)
			require.Equal(t, web.ETag(c.version), r.header.Get("ETag"))
		}
		require.Equal(t, string(asOf("2096-01-01T00:00:00Z").body), string(s.get("/v1/orders/"+id).body)) // the projection is the replay
		asOf("yesterday").is(http.StatusUnprocessableEntity)
		s.get("/v1/orders/"+newID(t.Context())+"?as_of=2096-01-01T00:00:00Z").refused(http.StatusNotFound, "order_not_found")
	})
}

func TestAnUnchangedOrderIsNotSentAgain(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		ignores[inventoryapi.ReserveStock](s.inventory.neighbour)
		id := s.place()
		tag := s.get("/v1/orders/" + id).is(http.StatusOK).header.Get("ETag")
		require.Equal(t, `"1"`, tag)
		r := s.get("/v1/orders/"+id, "If-None-Match", tag).is(http.StatusNotModified)
		require.Empty(t, r.body)
		require.Equal(t, tag, r.header.Get("ETag"))
		s.cancel(id)
		s.untilStatus(id, Cancelled)
		require.NotEqual(t, tag, s.get("/v1/orders/"+id, "If-None-Match", tag).is(http.StatusOK).header.Get("ETag"))
	})
}

func TestAnOrderThatWasJustReadIsReadAnewWhenAnotherProcessChangedIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.rest()
		before := s.get("/v1/orders/" + id).is(http.StatusOK).order()
		require.Equal(t, before, s.get("/v1/orders/"+id).is(http.StatusOK).order())
		other := newStore(s.db, s.clock, Deadlines{}, func(*Order) {})
		require.NoError(t, other.change(t.Context(), id, func(ctx context.Context, tx *sqldb.Tx, o Order) error {
			_, err := other.append(ctx, tx, o, &shipped{ShipmentID: o.ShipmentID})
			return err
		}))
		after := s.get("/v1/orders/" + id).is(http.StatusOK).order()
		require.Equal(t, string(Shipped), after.Status)
		require.Equal(t, before.Version+1, after.Version)
	})
}

func TestASummaryThatWasMendedIsSeenSoon(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := s.place()
		s.rest()
		right := s.get("/v1/orders/" + id).is(http.StatusOK).order()
		wrong := func(status string) {
			require.NoError(t, s.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE order_summaries SET status = $2 WHERE order_id = $1`, id, status)
				return err
			}))
			s.clock.Advance(recentFor)
		}
		wrong("delivered")
		require.Equal(t, "delivered", s.get("/v1/orders/"+id).is(http.StatusOK).order().Status)
		wrong(right.Status)
		require.Equal(t, right, s.get("/v1/orders/"+id).is(http.StatusOK).order())
	})
}

func TestOrdersThatAreKeptAndOrdersThatAreNotAreFoundTogether(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		kept, not, none := s.place(), s.place(), newID(t.Context())
		s.rest()
		s.get("/v1/orders/" + kept).is(http.StatusOK)
		found, err := s.m.store.findAll(t.Context(), []string{not, kept, none})
		require.NoError(t, err)
		require.Len(t, found, 2)
		for _, id := range []string{kept, not} {
			o := s.get("/v1/orders/" + id).is(http.StatusOK)
			require.JSONEq(t, string(found[id].document()), string(o.body))
		}
	})
}

func TestAnEventRemembersWhatCausedIt(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
		first, err := price(t.Context(), s.catalog, basket().wish())
		require.NoError(t, err)
		id, ctx := newID(t.Context()), telemetry.WithTraceparent(t.Context(), "00-"+trace+"-00f067aa0ba902b7-01")
		require.NoError(t, s.db.Write(ctx, id, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := s.m.process.place(ctx, tx, id, first)
			return err
		}))
		s.rest()
		const other = "0af7651916cd43dd8448eb211c80319c"
		require.NoError(t, s.m.store.change(telemetry.WithTraceparent(t.Context(), "00-"+other+"-b7ad6b7169203331-01"), id, func(ctx context.Context, tx *sqldb.Tx, o Order) error {
			_, err := s.m.store.append(ctx, tx, o, &shipped{ShipmentID: o.ShipmentID})
			return err
		}))
		d, err := Diagnose(t.Context(), s.db, id)
		require.NoError(t, err)
		require.Len(t, d.Events, 6)
		for i, e := range d.Events[:5] {
			require.Equal(t, trace, e.TraceID, "event %d", i+1)
			require.Equal(t, i > 0, e.Cause != "", "event %d", i+1)
		}
		require.Equal(t, other, d.Events[5].TraceID)
	})
}

func TestAnOrderIsNamedAfterTheTraceThatItsRequestBeganAndNeverAfterOneOfItsCaller(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		place := func(headers ...string) (id, trace string) {
			r := s.call(http.MethodPost, "/v1/orders", basket(), append(headers, "Idempotency-Key", freshKey())...).is(http.StatusCreated)
			return r.order().ID, r.header.Get("X-Request-Id")
		}
		requireTrace := func(id, trace string) {
			s.untilStatus(id, Confirmed)
			s.rest()
			d, err := Diagnose(t.Context(), s.db, id)
			require.NoError(t, err)
			for _, e := range d.Events {
				require.Equal(t, trace, e.TraceID)
			}
			traces, err := s.m.store.traces(t.Context(), []string{id})
			require.NoError(t, err)
			require.Equal(t, "00-"+trace+"-", traces[id][:36])
		}
		id, trace := place()
		require.True(t, naming.IsOf(id, trace), "%s in %s", id, trace)
		requireTrace(id, trace)
		var stored string
		require.NoError(t, s.db.Get(t.Context(), &stored, `SELECT CAST(metadata AS text) FROM events WHERE stream_id = $1 AND version = 1`, id))
		require.JSONEq(t, `{"trace":"="}`, stored)

		const callers = "4bf92f3577b34da6a3ce929d0e0e4736"
		for range 2 { // the second order would be the first
			id, trace := place("Traceparent", "00-"+callers+"-00f067aa0ba902b7-00")
			require.Equal(t, callers, trace)
			require.False(t, naming.IsOf(id, trace))
			requireTrace(id, trace)
		}
	})
}

func TestTheHistoryAndTheProcessOfAnOrderTellWhenWhatHappened(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		id := slowOrder(s)
		events := as[eventsBody](s.get("/v1/orders/" + id + "/events").is(http.StatusOK)).Data
		require.Equal(t, []string{"order.placed", "stock.reserved", "payment.captured", "order.confirmed", "shipment.created", "order.shipped"}, s.history(id))
		for i, minutes := range []int{0, 1, 2, 2, 3, 4} {
			require.Equal(t, noon.Add(time.Duration(minutes)*time.Minute), events[i].At)
		}
		require.JSONEq(t, `{"payment_id":"pay_`+id+`","amount":2000}`, string(events[2].Data))
		require.JSONEq(t, `{"shipment_id":"shp_`+id+`","carrier":"parcelforce","tracking_number":"PF1"}`, string(events[5].Data))

		after := func(minutes int) *time.Time { at := noon.Add(time.Duration(minutes) * time.Minute); return &at }
		require.Equal(t, sagaBody{State: "completed", Steps: []stepBody{
			{Name: "reserve_stock", Status: "completed", StartedAt: noon, FinishedAt: after(1), Attempts: 1},
			{Name: "take_payment", Status: "completed", StartedAt: *after(1), FinishedAt: after(2), Attempts: 1},
			{Name: "confirm_order", Status: "completed", StartedAt: *after(2), FinishedAt: after(2), Attempts: 1},
			{Name: "create_shipment", Status: "completed", StartedAt: *after(2), FinishedAt: after(3), Attempts: 1},
		}}, s.saga(id))
		for _, part := range []string{"", "/events", "/saga"} {
			s.get("/v1/orders/"+newID(t.Context())+part).refused(http.StatusNotFound, "order_not_found")
			s.get("/v1/orders/ord_1"+part).refused(http.StatusNotFound, "not_found")
		}
	})
}

// pages follows a list to its end and returns the ids on it.
func (s *shop) pages(path string, limit int) []string {
	s.t.Helper()
	var ids []string
	for at := fmt.Sprintf("%s&limit=%d", path, limit); ; {
		r := s.get(at).is(http.StatusOK)
		page := as[web.Page[listItem]](r)
		require.NotNil(s.t, page.Data)
		require.LessOrEqual(s.t, len(page.Data), limit)
		for _, item := range page.Data {
			ids = append(ids, item.ID)
		}
		if !page.HasMore {
			require.Nil(s.t, page.NextCursor)
			require.Empty(s.t, r.header.Get("Link"))
			return ids
		}
		require.Len(s.t, page.Data, limit)
		next, ok := strings.CutSuffix(strings.TrimPrefix(r.header.Get("Link"), "<"), `>; rel="next"`)
		require.True(s.t, ok, r.header.Get("Link"))
		require.Contains(s.t, next, url.QueryEscape(*page.NextCursor))
		at = next
	}
}

func TestAListHasEveryOrderOnceTheNewestFirst(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		var all, anns, later, cancelledOnes []string // the newest first
		for i := range 25 {
			if i == 10 {
				s.rest()
				s.clock.Advance(time.Second)
			}
			customer := "ann"
			if i%3 > 0 {
				customer = "bob"
			}
			id := s.post(with(func(b *placeBody) { b.CustomerID = customer }), freshKey()).is(http.StatusCreated).order().ID
			all = append([]string{id}, all...)
			if customer == "ann" {
				anns = append([]string{id}, anns...)
			}
			if i >= 10 {
				later = append([]string{id}, later...)
			}
			if i%5 == 0 {
				s.untilStep(id, createShipment, completed)
				s.cancel(id).is(http.StatusAccepted)
				s.untilStatus(id, Cancelled)
				cancelledOnes = append([]string{id}, cancelledOnes...)
			}
		}
		s.rest()
		for _, list := range [][]string{all, anns, later, cancelledOnes} { // two of one millisecond may be in any order
			slices.SortStableFunc(list, func(a, b string) int { return strings.Compare(b, a) })
		}
		for _, limit := range []int{1, 7, 25, 200} {
			require.Equal(t, all, s.pages("/v1/orders?", limit))
			require.Equal(t, anns, s.pages("/v1/orders?customer_id=ann", limit))
			require.Equal(t, later, s.pages("/v1/orders?placed_after=2026-11-22T12:00:00Z", limit))
			require.Equal(t, cancelledOnes, s.pages("/v1/orders?status=cancelled", limit))
			require.Equal(t, intersection(intersection(cancelledOnes, later), anns), s.pages("/v1/orders?customer_id=ann&status=cancelled&placed_after=2026-11-22T12:00:00Z", limit))
		}
		require.Empty(t, s.pages("/v1/orders?customer_id=eve", 10))
		require.Empty(t, s.pages("/v1/orders?status=pending", 10))

		page := as[web.Page[listItem]](s.get("/v1/orders?limit=200").is(http.StatusOK))
		for _, item := range page.Data {
			o := s.read(item.ID)
			require.Equal(t, listItem{ID: o.ID, Status: o.Status, Version: o.Version, CustomerID: o.CustomerID, Total: o.Total, ItemCount: 2, Payment: o.Payment,
				Fulfillment: o.Fulfillment, Cancelled: o.Cancelled, PlacedAt: o.PlacedAt, UpdatedAt: o.UpdatedAt}, item)
		}
	})
}

func TestAListIsAskedForSensibly(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		require.JSONEq(t, `{"data":[],"has_more":false,"next_cursor":null}`, string(s.get("/v1/orders").is(http.StatusOK).body))
		for _, query := range []string{"limit=0", "limit=201", "limit=1000000000", "limit=x", "status=lost", "placed_after=noon", "after=%21", "after=" + web.Cursor("a", "b"), "customer_id=" + strings.Repeat("c", 256)} {
			s.get("/v1/orders?" + query).is(http.StatusUnprocessableEntity)
		}
		require.Empty(t, s.pages("/v1/orders?after="+web.Cursor("'; DROP TABLE events; --"), 10))
	})
}
