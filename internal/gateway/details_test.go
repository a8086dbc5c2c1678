package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/gateway"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/fault"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

const (
	annsOrder   = "ord_01jd3q6k9v8xw2n4t7ryz5ann1"
	guestsOrder = "ord_01jd3q6k9v8xw2n4t7ryz5gst1"
)

var (
	ann      = auth.Principal{Role: auth.Customer, Subject: "cus_ann"}
	bob      = auth.Principal{Role: auth.Customer, Subject: "cus_bob"}
	operator = auth.Principal{Role: auth.Operator, Subject: "op"}
)

// shop is every context, as the gateway sees them. Before a part answers, it does what before says.
type shop struct {
	before map[string]func(context.Context) error
	asked  map[string]*atomic.Int64
	name   atomic.Pointer[string] // of Ann
}

func newShop() *shop {
	s := &shop{before: map[string]func(context.Context) error{}, asked: map[string]*atomic.Int64{}}
	for _, part := range []string{"order", "payments", "shipments", "customer", "stock"} {
		s.asked[part] = &atomic.Int64{}
	}
	name := "Ann"
	s.name.Store(&name)
	return s
}

func (s *shop) needs() gateway.Needs {
	return gateway.Needs{Orders: s, Payments: s, Shipping: s, Inventory: s, Customers: s}
}

func (s *shop) ask(ctx context.Context, part string) error {
	s.asked[part].Add(1)
	if before := s.before[part]; before != nil {
		return before(ctx)
	}
	return nil
}

func (s *shop) Order(ctx context.Context, id string) (ordersapi.Order, error) {
	o := ordersapi.Order{ID: id, CustomerID: "cus_ann", Lines: []ordersapi.Line{{SKU: "TEA", Quantity: 1}, {SKU: "CUP", Quantity: 1}, {SKU: "TEA", Quantity: 2}}}
	if id == guestsOrder {
		o.CustomerID = auth.Guest
	}
	if err := s.ask(ctx, "order"); err != nil {
		return ordersapi.Order{}, err
	}
	if (id != annsOrder && id != guestsOrder) || !auth.From(ctx).ActsFor(o.CustomerID) {
		return ordersapi.Order{}, fault.New(fault.NotFound, "order_not_found", "there is no such order")
	}
	return o, nil
}

func (s *shop) Payments(ctx context.Context, refs []string) ([]paymentsapi.Payment, error) {
	return []paymentsapi.Payment{{ID: "pay_1", Reference: refs[0]}}, s.ask(ctx, "payments")
}

func (s *shop) Shipments(ctx context.Context, _ []string) ([]shippingapi.Shipment, error) {
	return nil, s.ask(ctx, "shipments")
}

func (s *shop) Customers(ctx context.Context, ids []string) ([]customersapi.Customer, error) {
	return []customersapi.Customer{{ID: ids[0], Name: *s.name.Load()}}, s.ask(ctx, "customer")
}

func (s *shop) Levels(ctx context.Context, skus []string) ([]inventoryapi.Level, error) {
	var levels []inventoryapi.Level
	for _, sku := range skus {
		levels = append(levels, inventoryapi.Level{SKU: sku, OnHand: 5, Reserved: 2, Available: 3})
	}
	return levels, s.ask(ctx, "stock")
}

func (s *shop) Reservations(context.Context, []string) ([]inventoryapi.Reservation, error) {
	return nil, errors.New("nobody asks this")
}

// soon is long for what does not hang, and short for the test.
const soon = 500 * time.Millisecond

// hang answers when nobody waits any more.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func down(context.Context) error {
	return fault.New(fault.Unavailable, "down", "the database is down, says secret-host")
}

func (e entry) details(who auth.Principal, id string) (reply, map[string]any) {
	e.t.Helper()
	r := authtest.As(httptest.NewRequest(http.MethodGet, "/", nil), who)
	var headers []string
	for name := range r.Header {
		headers = append(headers, name, r.Header.Get(name))
	}
	res := e.send("GET", "/v1/orders/"+id+"/details", "", headers...)
	var body map[string]any
	require.NoError(e.t, json.Unmarshal([]byte(res.text), &body), res.text)
	return res, body
}

func TestAnOrdersDetailsAreAllThatBelongsToIt(t *testing.T) {
	e := open(t, newShop().needs(), authtest.Trust)
	res, body := e.details(ann, annsOrder)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, annsOrder, body["order"].(map[string]any)["id"])
	require.Equal(t, annsOrder, body["payments"].([]any)[0].(map[string]any)["order_id"])
	require.Equal(t, []any{}, body["shipments"], "none is not unknown")
	require.Equal(t, "Ann", body["customer"].(map[string]any)["name"])
	require.Equal(t, []any{map[string]any{"sku": "CUP", "available": 3.0}, map[string]any{"sku": "TEA", "available": 3.0}}, body["stock"], "how much is in the house is not for customers")
	require.Equal(t, []any{}, body["unavailable"])

	_, body = e.details(operator, annsOrder)
	require.Equal(t, map[string]any{"sku": "CUP", "available": 3.0, "on_hand": 5.0, "reserved": 2.0}, body["stock"].([]any)[0])
	_, body = e.details(operator, guestsOrder)
	require.Nil(t, body["customer"])
	require.Equal(t, []any{}, body["unavailable"], "a guest has no profile, and that is known")
}

func TestWhoseOrderItIsNotLearnsNothingAndNobodyIsAskedForThem(t *testing.T) {
	s := newShop()
	e := open(t, s.needs(), authtest.Trust)
	foreign, _ := e.details(bob, annsOrder)
	missing, _ := e.details(bob, "ord_01jd3q6k9v8xw2n4t7ryz5none")
	for _, res := range []reply{foreign, missing} {
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Contains(t, res.text, `"code":"order_not_found"`)
	}
	nobody, _ := e.details(auth.Principal{}, annsOrder)
	require.Equal(t, http.StatusUnauthorized, nobody.StatusCode)
	for _, part := range []string{"payments", "shipments", "customer", "stock"} {
		require.Zero(t, s.asked[part].Load(), part)
	}
}

func TestAPartThatHangsOrFailsIsNamedAndTheOthersAreThere(t *testing.T) {
	for _, part := range []string{"payments", "shipments", "customer", "stock"} {
		for name, trouble := range map[string]func(context.Context) error{"hangs": hang, "is down": down} {
			t.Run(part+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newShop()
				s.before[part] = trouble
				needs := s.needs()
				needs.Deadline = soon
				if name == "is down" { // the others have all the time they need
					needs.Deadline = time.Hour
				}
				res, body := open(t, needs, authtest.Trust).details(ann, annsOrder)
				require.Equal(t, http.StatusOK, res.StatusCode)
				require.Contains(t, body, part)
				require.Nil(t, body[part])
				require.NotContains(t, res.text, "secret-host")
				if name == "is down" {
					require.Equal(t, []any{part}, body["unavailable"])
				}
				require.Contains(t, body["unavailable"], part)
			})
		}
	}
}

func TestAPartThatDoesNotEvenGiveUpHoldsNobodyUp(t *testing.T) {
	s, release := newShop(), make(chan struct{})
	s.before["stock"] = func(context.Context) error { <-release; return nil }
	needs := s.needs()
	needs.Deadline = soon
	res, body := open(t, needs, authtest.Trust).details(ann, annsOrder)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, body["unavailable"], "stock")
	close(release) // TestMain sees to it that nothing is left of it
}

func TestAPartOfAContextThatCannotBeAskedFromHereIsUnavailable(t *testing.T) {
	res, body := open(t, gateway.Needs{Orders: newShop()}, authtest.Trust).details(ann, annsOrder)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, []any{"payments", "shipments", "customer", "stock"}, body["unavailable"])
}

func TestWithoutTheOrderThereAreNoDetails(t *testing.T) {
	for name, trouble := range map[string]func(context.Context) error{"hangs": hang, "is down": down} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			s.before["order"] = trouble
			needs := s.needs()
			needs.Deadline = soon
			res, _ := open(t, needs, authtest.Trust).details(ann, annsOrder)
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.NotEmpty(t, res.Header.Get("Retry-After"))
		})
	}
}

func TestWhenTheCallerLeavesNoPartGoesOn(t *testing.T) {
	s := newShop()
	asked, gone := make(chan struct{}), make(chan struct{})
	s.before["stock"] = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(gone)
		return ctx.Err()
	}
	needs := s.needs()
	needs.Deadline = time.Hour
	e := open(t, needs, authtest.Trust)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/v1/orders/"+annsOrder+"/details", nil)
	require.NoError(t, err)
	go func() {
		<-asked
		leave()
	}()
	_, err = e.Client().Do(authtest.As(r, ann))
	require.ErrorIs(t, err, context.Canceled)
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal("a part goes on for nobody")
	}
}

func TestACustomersProfileIsReadAgainWhenItHasChanged(t *testing.T) {
	s, transport := newShop(), bus.NewMemory()
	defer func() { require.NoError(t, transport.Close()) }()
	needs := s.needs()
	needs.Bus = transport
	require.NoError(t, transport.Declare(bus.Topic("customers", bus.Event)))
	e := open(t, needs, authtest.Trust)
	name := func() any {
		_, body := e.details(ann, annsOrder)
		return body["customer"].(map[string]any)["name"]
	}
	require.Equal(t, "Ann", name())
	require.Equal(t, "Ann", name())
	require.EqualValues(t, 1, s.asked["customer"].Load(), "it is kept")
	married := "Ann Other"
	s.name.Store(&married)
	payload, err := json.Marshal(customersapi.CustomerChanged{CustomerID: "cus_ann", Name: married, Version: 2})
	require.NoError(t, err)
	require.NoError(t, transport.Publish(bus.Topic("customers", bus.Event), message.NewMessage("1", payload))) // returns when the gateway has heard it
	require.Equal(t, married, name())
	payload = []byte("not JSON")
	require.NoError(t, transport.Publish(bus.Topic("customers", bus.Event), message.NewMessage("2", payload)))
	require.Equal(t, married, name())
	require.EqualValues(t, 3, s.asked["customer"].Load())
}

func TestTheDetailsAreInTheDocument(t *testing.T) {
	m, err := gateway.New(newShop().needs())
	require.NoError(t, err)
	defer m.Stop()
	edge := web.New(web.Options{})
	m.Routes(edge)
	op := edge.API.OpenAPI().Paths["/v1/orders/{id}/details"].Get
	require.Equal(t, "get-order-details", op.OperationID)
	require.NotNil(t, op.Responses["200"].Content["application/json"].Schema)
	require.Contains(t, op.Responses, "404")
	require.Contains(t, op.Responses, "503")
}
