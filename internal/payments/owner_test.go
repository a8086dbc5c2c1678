package payments

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
)

func TestACustomerDoesNotSeeAnothersPayment(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		guests := take("ord_2", "pm_test_ok")
		guests.CustomerID = auth.Guest
		x.caller.send(take("ord_1", "pm_test_ok"), guests)
		x.caller.answers("ord_1", 1)
		x.caller.answers("ord_2", 1)
		own, guest := "/v1/payments/"+x.payment("ord_1").ID, "/v1/payments/"+x.payment("ord_2").ID
		owner, other := authtest.AsCustomer("cus_1"), authtest.AsCustomer("cus_2")
		const none = `{"data":[],"has_more":false,"next_cursor":null}`

		for _, path := range []string{own, own + "/refunds", "/v1/payments?order_id=ord_1"} {
			require.Equal(t, http.StatusOK, x.request(http.MethodGet, path, "", "", owner...).Code, path)
			require.Equal(t, http.StatusOK, x.request(http.MethodGet, path, "", "", authtest.AsService()...).Code, path)
			require.Equal(t, "unauthorized", problemIn(t, x.request(http.MethodGet, path, "", "", authtest.AsNobody()...), http.StatusUnauthorized), path)
		}
		require.Contains(t, x.request(http.MethodGet, "/v1/payments?order_id=ord_1", "", "", owner...).Body.String(), x.payment("ord_1").ID)
		for _, path := range []string{own, own + "/refunds", guest} {
			require.Equal(t, "payment_not_found", problemIn(t, x.request(http.MethodGet, path, "", "", other...), http.StatusNotFound), path)
		}
		require.Equal(t, "payment_not_found", problemIn(t, x.request(http.MethodGet, guest, "", "", authtest.AsCustomer(auth.Guest)...), http.StatusNotFound))
		require.JSONEq(t, none, x.request(http.MethodGet, "/v1/payments?order_id=ord_1", "", "", other...).Body.String())
		require.JSONEq(t, none, x.request(http.MethodGet, "/v1/payments?order_id=ord_9", "", "", other...).Body.String())
		require.Equal(t, "order_id_required", problemIn(t, x.request(http.MethodGet, "/v1/payments", "", "", owner...), http.StatusUnprocessableEntity))
	})
}

func TestOnlyAnOperatorRefunds(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.caller.send(take("ord_1", "pm_test_ok"))
		x.caller.answer("ord_1")
		path := "/v1/payments/" + x.payment("ord_1").ID + "/refunds"
		for _, headers := range [][]string{authtest.AsCustomer("cus_1"), authtest.AsCustomer("cus_2"), authtest.AsService()} {
			require.Equal(t, "forbidden", problemIn(t, x.request(http.MethodPost, path, "k", `{}`, headers...), http.StatusForbidden))
		}
		require.Equal(t, "unauthorized", problemIn(t, x.request(http.MethodPost, path, "k", `{}`, authtest.AsNobody()...), http.StatusUnauthorized))
		require.Zero(t, x.payment("ord_1").Refunded)

		name, value := authtest.Header(auth.Principal{Role: auth.Operator, Subject: "ann"})
		first := x.request(http.MethodPost, path, "k", `{"amount":100}`)
		second := x.request(http.MethodPost, path, "k", `{"amount":100}`, name, value)
		require.Equal(t, http.StatusCreated, first.Code, first.Body.String())
		require.Equal(t, http.StatusCreated, second.Code, second.Body.String())
		require.NotEqual(t, first.Body.String(), second.Body.String(), "another operator's key is another key")
		x.settle()
		require.Equal(t, int64(200), x.payment("ord_1").Refunded)
	})
}
