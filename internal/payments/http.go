package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

// Routes registers the operations.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Payments"}
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/payments", ID: "list-payments", Summary: "List payments, newest first", Tags: tags,
	}, m.listOp)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/payments/{id}", ID: "get-payment", Summary: "Get a payment", Tags: tags,
	}, m.getOp)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/payments/{id}/refunds", ID: "refund-payment", Summary: "Refund a payment, in whole or in part", Tags: tags,
		Doc: "Without an amount all that is left is refunded. The answer says whether the money has gone back: `succeeded`, `failed`, or `pending` when the " +
			"payment provider has not answered; repeat the request with the same `Idempotency-Key`, or read the refunds, to learn the outcome.",
		Status: http.StatusCreated, Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
	}, m.refundOp)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/payments/{id}/refunds", ID: "list-refunds", Summary: "List a payment's refunds, oldest first", Tags: tags,
	}, m.listRefundsOp)
}

type getInput struct {
	ID string `path:"id" pattern:"^pay_[0-9a-z]{26}$" example:"pay_01jd3q6k9v8xw2n4t7ryz5abcd"`
}

type listInput struct {
	web.PageParams
	OrderID string `query:"order_id" maxLength:"64" doc:"Only the payments of this order; a customer must give it"`
}

// ErrWhichOrder: a customer has no list of all payments.
var ErrWhichOrder = fault.New(fault.Invalid, "order_id_required", "say whose payments: order_id").
	With(fault.Field{Location: "query.order_id", Detail: "one of your orders"})

func (m *Module) listOp(ctx context.Context, in *listInput) (web.Page[paymentsapi.Payment], error) {
	asks := auth.From(ctx)
	if in.OrderID == "" && !asks.Has(auth.Operator, auth.Service) {
		return web.Page[paymentsapi.Payment]{}, ErrWhichOrder
	}
	before, err := parseCursor(in.After)
	if err != nil {
		return web.Page[paymentsapi.Payment]{}, err
	}
	found, err := m.listPayments(ctx, in.OrderID, before, in.Limit+1)
	if err != nil {
		return web.Page[paymentsapi.Payment]{}, err
	}
	rows := make([]paymentsapi.Payment, 0, len(found))
	for _, p := range found {
		if asks.ActsFor(p.customerID) {
			rows = append(rows, p.published())
		}
	}
	return web.NewPage(rows, in.Limit, func(p paymentsapi.Payment) string { return web.Cursor(p.ID) }), nil
}

// parseCursor reads the id that a page continues after; empty for the first page.
func parseCursor(after string) (string, error) {
	at, err := web.ParseCursor(after, 1)
	if err != nil || at == nil {
		return "", err
	}
	return at[0], nil
}

func (m *Module) getOp(ctx context.Context, in *getInput) (paymentsapi.Payment, error) {
	p, err := m.paymentFor(ctx, auth.From(ctx), in.ID)
	telemetry.NoteKey(ctx, p.reference)
	return p.published(), err
}

type refundInput struct {
	ID             string     `path:"id" pattern:"^pay_[0-9a-z]{26}$"`
	IdempotencyKey string     `header:"Idempotency-Key" doc:"Names this refund: a repeated request with the same key is the same refund"`
	Body           refundBody `required:"false"`
}

type refundBody struct {
	Amount *refundAmount `json:"amount,omitempty"`
	Reason string        `json:"reason,omitempty" maxLength:"500" doc:"Why, for the books"`
}

// refundAmount is money, or only its minor units, in the payment's currency.
type refundAmount struct{ money.Money }

// UnmarshalJSON reads either form.
func (a *refundAmount) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, &a.Amount)
	}
	return json.Unmarshal(b, &a.Money)
}

// Schema documents both forms.
func (a *refundAmount) Schema(r huma.Registry) *huma.Schema {
	least := 1.0
	amount := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least, Description: "Minor units (cents) of the payment's currency"}
	currency := &huma.Schema{Type: huma.TypeString, Pattern: "^[A-Z]{3}$", Description: "ISO 4217 code; the payment's"}
	whole := &huma.Schema{Type: huma.TypeObject, Required: []string{"amount", "currency"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"amount": amount, "currency": currency}}
	s := &huma.Schema{OneOf: []*huma.Schema{amount, whole}, Description: "All that is left when missing"}
	for _, part := range []*huma.Schema{amount, currency, whole, s} {
		part.PrecomputeMessages()
	}
	return s
}

// refundView is a refund as the operator sees it.
type refundView struct {
	ID          string      `json:"id"`
	PaymentID   string      `json:"payment_id"`
	OrderID     string      `json:"order_id"`
	Amount      money.Money `json:"amount"`
	Status      string      `json:"status" enum:"pending,succeeded,failed"`
	FailureCode string      `json:"failure_code,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

func viewOfRefund(r refund) refundView {
	return refundView{ID: r.id, PaymentID: r.paymentID, OrderID: r.reference, Amount: r.amount, Status: string(r.status), FailureCode: r.failure, Reason: r.reason,
		CreatedAt: r.createdAt, UpdatedAt: r.updatedAt}
}

var errRefundAmount = fault.New(fault.Invalid, "invalid_amount", "a refund is of at least one minor unit").
	With(fault.Field{Location: "body.amount", Detail: "expected number >= 1"})

func (m *Module) refundOp(ctx context.Context, in *refundInput) (refundView, error) {
	request := refundRequest{Reason: in.Body.Reason}
	if in.Body.Amount != nil {
		if in.Body.Amount.Amount < 1 {
			return refundView{}, errRefundAmount
		}
		request.Amount = &in.Body.Amount.Money
	}
	keyed := web.Keyed{Principal: auth.From(ctx).String(), Route: "POST /v1/payments/" + in.ID + "/refunds", Key: in.IdempotencyKey, Request: request}
	r, err := m.refund(ctx, keyed, in.ID, request)
	return viewOfRefund(r), err
}

type listRefundsInput struct {
	web.PageParams
	ID string `path:"id" pattern:"^pay_[0-9a-z]{26}$"`
}

func (m *Module) listRefundsOp(ctx context.Context, in *listRefundsInput) (web.Page[refundView], error) {
	var page web.Page[refundView]
	after, err := parseCursor(in.After)
	if err != nil {
		return page, err
	}
	if _, err := m.paymentFor(ctx, auth.From(ctx), in.ID); err != nil {
		return page, err
	}
	found, err := m.listRefunds(ctx, in.ID, after, in.Limit+1)
	if err != nil {
		return page, err
	}
	rows := make([]refundView, len(found))
	for i, r := range found {
		rows[i] = viewOfRefund(r)
	}
	return web.NewPage(rows, in.Limit, func(r refundView) string { return web.Cursor(r.ID) }), nil
}
