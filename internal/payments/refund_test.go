package payments

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/internal/testpsp"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

// refund asks for a refund as an operator does.
func (x *till) refund(reference, key, body string) *httptest.ResponseRecorder {
	return x.request(http.MethodPost, "/v1/payments/"+x.payment(reference).ID+"/refunds", key, body)
}

func refundIn(t *testing.T, w *httptest.ResponseRecorder) refundView {
	t.Helper()
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	var r refundView
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	return r
}

func TestAnOperatorGivesMoneyBackInPartsAndThenTheRest(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		p := x.payment("ord_1")

		first := refundIn(t, x.refund("ord_1", "k1", `{"amount":{"amount":500,"currency":"EUR"},"reason":"scratched"}`))
		require.Equal(t, refundView{ID: first.ID, PaymentID: p.ID, OrderID: "ord_1", Amount: euros(500), Status: "succeeded", Reason: "scratched",
			CreatedAt: first.CreatedAt, UpdatedAt: first.UpdatedAt}, first)
		require.Equal(t, paymentsapi.PaymentRefunded{Reference: "ord_1", PaymentID: p.ID, RefundID: first.ID, Amount: euros(500), Total: euros(500)}, x.answers("ord_1", 2)[1])
		require.Equal(t, "partially_refunded", x.payment("ord_1").Status)
		require.EqualValues(t, 500, x.payment("ord_1").Refunded)

		require.Equal(t, euros(1), refundIn(t, x.refund("ord_1", "k2", `{"amount":1}`)).Amount)
		rest := refundIn(t, x.refund("ord_1", "k3", ""))
		require.Equal(t, euros(1498), rest.Amount)
		require.Equal(t, paymentsapi.PaymentRefunded{Reference: "ord_1", PaymentID: p.ID, RefundID: rest.ID, Amount: euros(1498), Total: euros(1999)}, x.answers("ord_1", 4)[3])
		require.Equal(t, "refunded", x.payment("ord_1").Status)

		require.Equal(t, "nothing_to_refund", problemIn(t, x.refund("ord_1", "k4", `{}`), http.StatusConflict))
		x.requireBalanced("ord_1")
	})
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder, status int) (code string) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body)
	var p web.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	return p.Code
}

func TestARefundThatBreaksARuleIsRefusedAndChangesNothing(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"), take("ord_2", "pm_test_declined"))
		x.answer("ord_1")
		x.answer("ord_2")
		for name, c := range map[string]struct {
			reference, key, body, code string
			status                     int
		}{
			"no key":             {"ord_1", "", `{}`, "idempotency_key_missing", http.StatusBadRequest},
			"more than captured": {"ord_1", "k", `{"amount":2000}`, "refund_exceeds_captured", http.StatusConflict},
			"other currency":     {"ord_1", "k", `{"amount":{"amount":5,"currency":"USD"}}`, "currency_mismatch", http.StatusUnprocessableEntity},
			"negative":           {"ord_1", "k", `{"amount":-5}`, "", http.StatusUnprocessableEntity},
			"negative money":     {"ord_1", "k", `{"amount":{"amount":-5,"currency":"EUR"}}`, "", http.StatusUnprocessableEntity},
			"zero":               {"ord_1", "k", `{"amount":0}`, "", http.StatusUnprocessableEntity},
			"a fraction":         {"ord_1", "k", `{"amount":1.5}`, "", http.StatusUnprocessableEntity},
			"an overflow":        {"ord_1", "k", `{"amount":9223372036854775808}`, "", http.StatusUnprocessableEntity},
			"text":               {"ord_1", "k", `{"amount":"5"}`, "", http.StatusUnprocessableEntity},
			"money without unit": {"ord_1", "k", `{"amount":{"amount":5}}`, "", http.StatusUnprocessableEntity},
			"unknown field":      {"ord_1", "k", `{"status":"succeeded"}`, "", http.StatusUnprocessableEntity},
			"nothing captured":   {"ord_2", "k", `{}`, "payment_not_captured", http.StatusConflict},
		} {
			w := x.refund(c.reference, c.key, c.body)
			code := problemIn(t, w, c.status)
			if c.code != "" {
				require.Equal(t, c.code, code, name)
			}
		}
		require.Equal(t, "payment_not_found", problemIn(t, x.request(http.MethodPost, "/v1/payments/pay_00000000000000000000000000/refunds", "k", `{}`), http.StatusNotFound))
		require.Zero(t, x.payment("ord_1").Refunded)
		require.Zero(t, x.refundsOf("ord_1", "pending")+x.refundsOf("ord_1", "succeeded")+x.refundsOf("ord_1", "failed"))
		x.requireBalanced("ord_1")
	})
}

func TestARepeatedRefundIsOneRefund(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		answers := make([]*httptest.ResponseRecorder, 20)
		var clients sync.WaitGroup
		for i := range answers {
			clients.Go(func() { answers[i] = x.refund("ord_1", "double click", `{"amount":100}`) })
		}
		clients.Wait()
		first := refundIn(t, answers[0])
		for _, w := range answers {
			r := refundIn(t, w)
			require.Equal(t, first.ID, r.ID)
			require.Equal(t, "succeeded", r.Status)
		}
		require.Equal(t, "idempotency_key_reused", problemIn(t, x.refund("ord_1", "double click", `{"amount":101}`), http.StatusUnprocessableEntity))
		require.EqualValues(t, 100, x.payment("ord_1").Refunded)
		require.Len(t, x.answers("ord_1", 2), 2)
		x.requireBalanced("ord_1")
	})
}

func TestParallelRefundsNeverGiveBackMoreThanWasCaptured(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		var clients sync.WaitGroup
		codes := make([]int, 100)
		for i := range codes {
			clients.Go(func() { codes[i] = x.refund("ord_1", fmt.Sprintf("k%d", i), `{"amount":150}`).Code })
		}
		clients.Wait()
		granted := 0
		for _, code := range codes {
			if code == http.StatusCreated {
				granted++
			} else {
				require.Equal(t, http.StatusConflict, code)
			}
		}
		require.Equal(t, 1999/150, granted)
		require.EqualValues(t, granted*150, x.payment("ord_1").Refunded)
		x.requireBalanced("ord_1")
	})
}

func TestParallelRefundsOfTwoProcessesNeverGiveBackMoreThanWasCaptured(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		x.open(Needs{})
		one := x.api
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		x.db = dbtest.Open(t, "payments", x.url)
		x.open(Needs{})
		two := x.api
		path := "/v1/payments/" + x.payment("ord_1").ID + "/refunds"
		var clients sync.WaitGroup
		for i := range 40 {
			for _, api := range []http.Handler{one, two} {
				clients.Go(func() {
					via := *x
					via.api = api
					via.request(http.MethodPost, path, fmt.Sprintf("k%d%p", i, api), `{"amount":150}`)
				})
			}
		}
		clients.Wait()
		x.settle()
		require.EqualValues(t, 1999/150*150, x.payment("ord_1").Refunded)
		x.requireBalanced("ord_1")
	})
}

func TestARefundWithoutAnAnswerIsPendingUntilTheProviderSays(t *testing.T) {
	eachTill(t, Needs{Deadline: time.Second}, func(t *testing.T, x *till) {
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		x.psp.SetFaults(testpsp.Faults{Failed: 1}, 1) // gives the money back, and does not say so
		pending := refundIn(t, x.refund("ord_1", "k1", `{"amount":500}`))
		require.Equal(t, "pending", pending.Status)
		require.Zero(t, x.payment("ord_1").Refunded)
		require.Equal(t, "refund_exceeds_captured", problemIn(t, x.refund("ord_1", "k2", `{"amount":1500}`), http.StatusConflict), "the pending amount is spoken for")

		x.psp.SetFaults(testpsp.Faults{}, 1)
		x.answers("ord_1", 2)
		require.EqualValues(t, 500, x.payment("ord_1").Refunded)
		settled := refundIn(t, x.refund("ord_1", "k1", `{"amount":500}`))
		require.Equal(t, pending.ID, settled.ID)
		require.Equal(t, "succeeded", settled.Status)
		x.requireBalanced("ord_1")
	})
}

func TestARefundThatTheProviderRefusesIsFailedAndTheMoneyCanBeRefundedStill(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		psp := &stubborn{Provider: x.psp, refuses: all}
		x.open(Needs{Provider: psp})
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		failed := refundIn(t, x.refund("ord_1", "k1", `{}`))
		require.Equal(t, "failed", failed.Status)
		require.Equal(t, "charge_disputed", failed.FailureCode)
		require.Equal(t, "captured", x.payment("ord_1").Status)
		psp.refuse(none)
		require.Equal(t, "succeeded", refundIn(t, x.refund("ord_1", "k2", `{}`)).Status)
		require.Equal(t, "refunded", x.payment("ord_1").Status)
	})
}

func TestPaymentsAndRefundsAreListedInPages(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		for i := range 5 {
			x.send(take(fmt.Sprintf("ord_%d", i), "pm_test_ok"))
			x.answer(fmt.Sprintf("ord_%d", i))
		}
		x.send(cancel("ord_tombstone"))
		x.answer("ord_tombstone")
		var page web.Page[paymentsapi.Payment]
		get := func(path string, into any) {
			w := x.request(http.MethodGet, path, "", "")
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), into))
		}
		get("/v1/payments?order_id=ord_3", &page)
		require.Len(t, page.Data, 1)
		require.Equal(t, x.payment("ord_3"), page.Data[0])
		var one paymentsapi.Payment
		get("/v1/payments/"+page.Data[0].ID, &one)
		require.Equal(t, page.Data[0], one)

		var seen []string
		for after := ""; ; after = "&after=" + *page.NextCursor {
			page = web.Page[paymentsapi.Payment]{}
			get("/v1/payments?limit=2"+after, &page)
			for _, p := range page.Data {
				seen = append(seen, p.Reference)
			}
			if !page.HasMore {
				break
			}
		}
		require.ElementsMatch(t, []string{"ord_0", "ord_1", "ord_2", "ord_3", "ord_4"}, seen)

		for i := range 3 {
			refundIn(t, x.refund("ord_3", fmt.Sprintf("k%d", i), `{"amount":1}`))
		}
		var refunds web.Page[refundView]
		get("/v1/payments/"+one.ID+"/refunds?limit=2", &refunds)
		require.Len(t, refunds.Data, 2)
		get("/v1/payments/"+one.ID+"/refunds?limit=2&after="+*refunds.NextCursor, &refunds)
		require.Len(t, refunds.Data, 1)

		require.Equal(t, "payment_not_found", problemIn(t, x.request(http.MethodGet, "/v1/payments/pay_00000000000000000000000000", "", ""), http.StatusNotFound))
		require.Equal(t, http.StatusNotFound, x.request(http.MethodGet, "/v1/payments/nonsense", "", "").Code)
		require.Equal(t, "invalid_cursor", problemIn(t, x.request(http.MethodGet, "/v1/payments?after=!", "", ""), http.StatusUnprocessableEntity))
	})
}

func TestARefundCountsOnceHoweverOftenItIsSent(t *testing.T) {
	eachClosedTill(t, func(t *testing.T, x *till) {
		line := &mute{Provider: x.psp, refund: true}
		x.open(Needs{Provider: line})
		x.send(take("ord_1", "pm_test_ok"))
		x.answer("ord_1")
		first := refundIn(t, x.refund("ord_1", "k1", `{"amount":500}`))
		refundIn(t, x.refund("ord_1", "k2", `{"amount":1000}`))
		pending, err := x.module.refundByID(t.Context(), first.ID)
		require.NoError(t, err)

		line.set(false, false, false, false)
		var senders sync.WaitGroup
		for range 10 {
			senders.Go(func() { _ = x.module.sendRefund(t.Context(), pending) })
		}
		senders.Wait()
		x.settle()
		require.EqualValues(t, 1500, x.payment("ord_1").Refunded)
		require.Len(t, x.answers("ord_1", 3), 3)
		x.requireBalanced("ord_1")
	})
}
