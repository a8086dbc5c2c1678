package notifications

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/notifications/notificationsapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/web"
)

func TestOperatorsSeeWhatBecameOfEachMessage(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		for i := range 3 {
			d.tell(orderConfirmedBy(fmt.Sprintf("ord_%d", i), "ada@example.org"))
		}
		d.tell(ordersapi.OrderShipped{Summary: order("ord_1", "refused@example.org")}, orderConfirmedBy("ord_10", ""))
		for i := range 3 {
			d.until(fmt.Sprintf("ord_%d.order_confirmed", i), "sent")
		}
		d.until("ord_1.order_shipped", "failed")
		d.until("ord_10.order_confirmed", "skipped")
		ids := func(target string) (ids []string) {
			for _, n := range viewsOf(t, d, target) {
				ids = append(ids, n.ID)
			}
			return ids
		}
		all := []string{"ord_0.order_confirmed", "ord_1.order_confirmed", "ord_1.order_shipped", "ord_10.order_confirmed", "ord_2.order_confirmed"}
		require.Equal(t, all, ids("/v1/notifications"))
		require.Equal(t, all[1:3], ids("/v1/notifications?order_id=ord_1"))
		require.Equal(t, all[1:2], ids("/v1/notifications?order_id=ord_1&status=sent"))
		require.Equal(t, all[2:3], ids("/v1/notifications?status=failed"))
		require.Equal(t, all[3:4], ids("/v1/notifications?status=skipped"))
		require.Empty(t, ids("/v1/notifications?status=unknown"))
		require.Empty(t, ids("/v1/notifications?status=pending"))
		require.Empty(t, ids("/v1/notifications?order_id=ord_"))
		require.Empty(t, ids("/v1/notifications?order_id=ord_1.order_confirmed"))

		page := is[web.Page[notificationsapi.Notification]](d.ask(operator, http.MethodGet, "/v1/notifications?limit=2"), http.StatusOK)
		require.True(t, page.HasMore)
		require.Equal(t, all[2:4], ids("/v1/notifications?limit=2&after="+*page.NextCursor))

		n := is[notificationsapi.Notification](d.ask(operator, http.MethodGet, "/v1/notifications/ord_1.order_shipped"), http.StatusOK)
		require.Equal(t, "ord_1", n.OrderID)
		require.Equal(t, "cus_ord_1", n.CustomerID)
		require.Equal(t, "order_shipped", n.Kind)
		d.ask(operator, http.MethodGet, "/v1/notifications/ord_7.order_shipped").problem(http.StatusNotFound, "notification_not_found")
		require.Equal(t, http.StatusUnprocessableEntity, d.ask(operator, http.MethodGet, "/v1/notifications?status=lost").status)
	})
}

func TestOnlyWhatFailedOrIsUnknownIsSentAgain(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "refused@example.org"), orderConfirmedBy("ord_2", "ada@example.org"), orderConfirmedBy("ord_3", ""))
		failed := d.until("ord_1.order_confirmed", "failed")
		d.until("ord_2.order_confirmed", "sent")
		again := func(id string) reply { return d.ask(operator, http.MethodPost, "/v1/notifications/"+id+"/resend") }
		for _, id := range []string{"ord_2.order_confirmed", "ord_3.order_confirmed"} {
			again(id).problem(http.StatusConflict, "not_resendable")
		}
		again("ord_4.order_confirmed").problem(http.StatusNotFound, "notification_not_found")

		d.time.Advance(1000)
		is[notificationsapi.Notification](again("ord_1.order_confirmed"), http.StatusOK)
		require.Eventually(t, func() bool {
			n := d.until("ord_1.order_confirmed", "failed")
			return n.UpdatedAt.After(failed.UpdatedAt) && n.Attempts == 1
		}, patience, 1)
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, 2, b.seen["refused@example.org"])
	})
}

func TestMessagesAreTheShopsBusinessAlone(t *testing.T) {
	atOneDesk(t, nil, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "ada@example.org"))
		d.until("ord_1.order_confirmed", "sent")
		customer, service := auth.Principal{Role: auth.Customer, Subject: "cus_ord_1"}, auth.Principal{Role: auth.Service, Subject: "s"}
		for target, method := range map[string]string{
			"/v1/notifications": http.MethodGet, "/v1/notifications/ord_1.order_confirmed": http.MethodGet, "/v1/notifications/ord_1.order_confirmed/resend": http.MethodPost,
		} {
			require.Equal(t, http.StatusForbidden, d.ask(customer, method, target).status, target)
			require.Equal(t, http.StatusUnauthorized, d.ask(auth.Principal{}, method, target).status, target)
		}
		require.Equal(t, http.StatusOK, d.ask(service, http.MethodGet, "/v1/notifications").status)
		require.Equal(t, http.StatusForbidden, d.ask(service, http.MethodPost, "/v1/notifications/ord_1.order_confirmed/resend").status)
	})
}
