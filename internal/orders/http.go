package orders

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"shop/internal/platform/auth"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

// Routes registers the context's operations.
func (m *Module) Routes(e *web.Edge) {
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/orders", ID: "place-order", Summary: "Place an order", Tags: tags, Status: http.StatusCreated, Returns: orderBody{},
		Errors: []int{http.StatusConflict}, Headers: map[string]string{"Location": "The order", "Preference-Applied": "The wait that was granted"},
		Doc: "Prices come from the catalog. The order is pending; its outcome follows. With `Prefer: wait=5` the answer waits for it, at most five seconds. " +
			"Too little stock is no error here: the order ends as `cancelled`, `out_of_stock`.",
	}, m.postOrder)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/orders/{id}", ID: "get-order", Summary: "An order, now or as it was", Tags: tags, Returns: orderBody{},
		Headers: map[string]string{"ETag": "The order's version"}, Errors: []int{http.StatusNotModified}, Deprecated: v1Read,
	}, m.getOrder)
	m.routesV2(e)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/orders", ID: "list-orders", Summary: "Orders, the newest first", Tags: tags,
	}, m.listOrders)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/orders/{id}/events", ID: "get-order-events", Summary: "The order's history, oldest first", Tags: tags,
	}, m.getEvents)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/orders/{id}/saga", ID: "get-order-saga", Summary: "How far the order's process is", Tags: tags, Roles: []auth.Role{auth.Operator},
	}, m.getSaga)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/orders/{id}/cancel", ID: "cancel-order", Summary: "Cancel an order", Tags: tags, Status: http.StatusAccepted, Returns: orderBody{},
		Errors: []int{http.StatusConflict}, Doc: "What the process has done is taken back in reverse; the order is `cancelled` when that is complete. Cancelling twice changes nothing.",
	}, m.postCancel)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/orders/{id}/saga/{action}", ID: "intervene-order-saga", Summary: "End a compensation that cannot succeed", Tags: tags,
		Status: http.StatusAccepted, Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
		Doc: "`retry` asks for it once more, `skip` says that it was done by hand and goes on, `force` asks for the rest without waiting for it and cancels the order. The note is kept in the history.",
	}, m.postIntervention)
}

var tags = []string{"Orders"}

type orderBody struct {
	ID          string              `json:"id" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Status      string              `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	Version     int64               `json:"version" doc:"Grows with each change"`
	Payment     string              `json:"payment_status" enum:"pending,captured,declined,voided,partially_refunded,refunded"`
	Fulfillment string              `json:"fulfillment_status" enum:"unfulfilled,reserved,preparing,shipped,delivered,cancelled"`
	Cancelled   *cancellationBody   `json:"cancellation,omitempty"`
	PlacedAt    time.Time           `json:"placed_at"`
	UpdatedAt   time.Time           `json:"updated_at"`
	CustomerID  string              `json:"customer_id"`
	Items       []Item              `json:"items"`
	Total       money.Money         `json:"total"`
	Address     shippingapi.Address `json:"shipping_address"`
	Email       string              `json:"email,omitempty"`
	Metadata    map[string]string   `json:"metadata,omitempty"`
}

type cancellationBody struct {
	Reason string `json:"reason" enum:"out_of_stock,payment_declined,customer_request,timed_out,failed"`
	Detail string `json:"detail"`
}

type placeInput struct {
	Key    string `header:"Idempotency-Key" doc:"Names this wish: the same key twice is one order. At most 255 characters" example:"basket-4711"`
	Prefer string `header:"Prefer" doc:"wait=N: answer with the outcome, after at most N seconds" example:"wait=5"`
	Body   placeBody
}

type placeBody struct {
	CustomerID    string              `json:"customer_id,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255" doc:"Who orders. A customer orders for themselves and leaves it out; without it, an order of an operator or a service is a guest's" example:"cus_42"`
	Items         []itemBody          `json:"items" minItems:"1" maxItems:"1000"`
	PaymentMethod string              `json:"payment_method" minLength:"1" maxLength:"100" doc:"Token of a payment method; see the payment provider" example:"pm_test_ok"`
	Address       shippingapi.Address `json:"shipping_address"`
	Email         string              `json:"email,omitempty" format:"email" maxLength:"254"`
	ExpectedTotal *money.Money        `json:"expected_total,omitempty" doc:"Refused with 409 when the server computes another total"`
	Metadata      map[string]string   `json:"metadata,omitempty" maxProperties:"50" doc:"Kept with the order, not looked at"`
}

type itemBody struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"64" example:"SKU-1"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000"`
}

func (m *Module) postOrder(ctx context.Context, in *placeInput) (web.Raw, error) {
	asks := auth.From(ctx)
	if err := in.Body.orderFor(asks); err != nil {
		return web.Raw{}, err
	}
	keyed := web.Keyed{Principal: asks.String(), Route: "POST /v1/orders", Key: in.Key, Request: in.Body, Again: m.placedAgain}
	first, err := price(ctx, m.needs.Prices, in.Body.wish())
	if err != nil {
		if stored, found, replayErr := m.idem.Replay(ctx, keyed); found || replayErr != nil {
			return m.answerPlaced(ctx, in, stored, "", nil, replayErr)
		}
		return web.Raw{}, err
	}
	orderID := newID(ctx)
	outcome, leave := m.watch.watch(orderID)
	defer leave()
	reply, err := m.idem.Do(ctx, keyed, orderID, func(ctx context.Context, tx *sqldb.Tx) (web.Raw, error) {
		o, err := m.process.place(ctx, tx, orderID, first)
		if err != nil {
			return web.Raw{}, err
		}
		return web.Raw{Status: http.StatusCreated, Body: wholeSummaryOf(o).document()}.With("Location", "/v1/orders/"+orderID), nil
	})
	return m.answerPlaced(ctx, in, reply, orderID, outcome, err)
}

// placedAgain is the answer to the placing of an order: the order as it was then.
func (m *Module) placedAgain(ctx context.Context, header http.Header) ([]byte, error) {
	o, err := m.store.asPlaced(ctx, placedID(header))
	if err != nil {
		return nil, err
	}
	return wholeSummaryOf(o).document(), nil
}

// placedID is the id of the order that an answer names.
func placedID(header http.Header) string {
	return strings.TrimPrefix(header.Get("Location"), "/v1/orders/")
}

// answerPlaced gives the stored answer as it is, or, to a caller who prefers to wait, the outcome.
func (m *Module) answerPlaced(ctx context.Context, in *placeInput, reply web.Raw, orderID string, outcome <-chan Order, err error) (web.Raw, error) {
	telemetry.NoteOrder(ctx, placedID(reply.Header))
	wait, waits := web.PreferWait(in.Prefer)
	if err != nil || !waits {
		return reply, err
	}
	if id := placedID(reply.Header); id != orderID { // a repetition: the order is another
		var leave func()
		orderID = id
		outcome, leave = m.watch.watch(id)
		defer leave()
	}
	wctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	sum, err := m.await(wctx, orderID, outcome)
	if err != nil {
		return reply, nil // the order is taken; its outcome cannot be read at the moment
	}
	reply.Body = sum.document()
	return reply.With("Preference-Applied", web.PreferenceApplied(wait)), nil
}

func (b placeBody) wish() wish {
	w := wish{CustomerID: b.CustomerID, PaymentMethod: b.PaymentMethod, Address: b.Address, Email: b.Email, ExpectedTotal: b.ExpectedTotal, Metadata: b.Metadata}
	w.Lines = make([]line, len(b.Items))
	for i, it := range b.Items {
		w.Lines[i] = line(it)
	}
	return w
}

type orderInput struct {
	ID string `path:"id" pattern:"^ord_[0-9a-z]{26}$" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
}

type getInput struct {
	ID          string    `path:"id" pattern:"^ord_[0-9a-z]{26}$" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	AsOf        time.Time `query:"as_of" doc:"The order as it was at this time"`
	IfNoneMatch string    `header:"If-None-Match" doc:"An ETag: answered with 304 while the order is unchanged"`
}

func (m *Module) getOrder(ctx context.Context, in *getInput) (web.Raw, error) {
	return m.orderAs(ctx, in, func(s summary) ([]byte, error) { return s.document(), nil })
}

// orderAs reads an order for somebody who may see it, and shows it in the form of one version of the API.
func (m *Module) orderAs(ctx context.Context, in *getInput, form func(summary) ([]byte, error)) (web.Raw, error) {
	telemetry.NoteOrder(ctx, in.ID)
	var sum summary
	var err error
	if in.AsOf.IsZero() {
		sum, err = m.store.find(ctx, in.ID)
	} else {
		sum, err = m.store.findAsOf(ctx, in.ID, in.AsOf)
	}
	if err == nil {
		err = mayAct(auth.From(ctx), sum.CustomerID) // before anything is said about it, its version too
	}
	if err != nil {
		return web.Raw{}, err
	}
	tag := web.ETag(sum.Version)
	if in.IfNoneMatch == tag {
		return web.Raw{Status: http.StatusNotModified}.With("ETag", tag), nil
	}
	body, err := form(sum)
	return web.Raw{Status: http.StatusOK, Body: body}.With("ETag", tag), err
}

type listInput struct {
	web.PageParams
	Status      string    `query:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	CustomerID  string    `query:"customer_id" maxLength:"255" doc:"Only this customer's; a customer sees none but their own"`
	PlacedAfter time.Time `query:"placed_after" doc:"Only orders placed after this time"`
}

type listItem struct {
	ID          string            `json:"id"`
	Status      string            `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	Version     int64             `json:"version"`
	CustomerID  string            `json:"customer_id"`
	Total       money.Money       `json:"total"`
	ItemCount   int64             `json:"item_count" doc:"Lines, not units"`
	Payment     string            `json:"payment_status"`
	Fulfillment string            `json:"fulfillment_status"`
	Cancelled   *cancellationBody `json:"cancellation,omitempty"`
	PlacedAt    time.Time         `json:"placed_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

func (m *Module) listOrders(ctx context.Context, in *listInput) (web.Page[listItem], error) {
	at, err := web.ParseCursor(in.After, 1)
	if err != nil {
		return web.Page[listItem]{}, err
	}
	f := filter{status: in.Status, customer: in.CustomerID, placedAfter: in.PlacedAfter, limit: in.Limit}
	if asks := auth.From(ctx); !asks.Has(auth.Operator, auth.Service) {
		if f.customer == "" {
			f.customer = asks.Subject
		}
		if !asks.ActsFor(f.customer) {
			return web.NewPage([]listItem(nil), in.Limit, nil), nil // there are none that they may see
		}
	}
	if at != nil {
		f.after = at[0]
	}
	read := m.store.list
	if f.customer != "" {
		read = m.store.listOf
	}
	rows, err := read(ctx, f)
	if err != nil {
		return web.Page[listItem]{}, err
	}
	items := make([]listItem, len(rows))
	for i, s := range rows {
		items[i] = listItem{ID: s.ID, Status: s.Status, Version: s.Version, CustomerID: s.CustomerID, Total: money.Money{Amount: s.TotalAmount, Currency: s.TotalCurrency},
			ItemCount: s.ItemCount, Payment: s.Payment, Fulfillment: s.Fulfillment, PlacedAt: sqldb.Time(s.PlacedAt), UpdatedAt: sqldb.Time(s.UpdatedAt)}
		if s.Status == string(Cancelled) {
			items[i].Cancelled = &cancellationBody{s.Reason, s.Detail}
		}
	}
	return web.NewPage(items, in.Limit, func(i listItem) string { return web.Cursor(i.ID) }), nil
}

type eventsBody struct {
	Data []eventBody `json:"data"`
}

type eventBody struct {
	Version int64           `json:"version"`
	Type    string          `json:"type" example:"stock.reserved"`
	At      time.Time       `json:"at"`
	Data    json.RawMessage `json:"data"`
}

func (m *Module) getEvents(ctx context.Context, in *orderInput) (eventsBody, error) {
	telemetry.NoteOrder(ctx, in.ID)
	rows, err := m.store.history(ctx, in.ID)
	if err != nil {
		return eventsBody{}, err
	}
	orders, err := replay(rows[:1])
	if err != nil {
		return eventsBody{}, err
	}
	if err := mayAct(auth.From(ctx), orders[0].Placed.CustomerID); err != nil {
		return eventsBody{}, err
	}
	out := eventsBody{Data: make([]eventBody, len(rows))}
	for i, r := range rows {
		out.Data[i] = eventBody{r.Version, r.Type, sqldb.Time(r.RecordedAt), json.RawMessage(r.Data)}
	}
	return out, nil
}

type sagaBody struct {
	State string     `json:"state" enum:"running,completed,compensating,compensated,compensation_failed"`
	Steps []stepBody `json:"steps"`
}

type stepBody struct {
	Name       string     `json:"name" enum:"reserve_stock,take_payment,confirm_order,create_shipment"`
	Status     string     `json:"status" enum:"started,completed,compensated,compensation_failed,failed"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Attempts   int        `json:"attempts"`
	Error      string     `json:"error,omitempty"`
}

func (m *Module) getSaga(ctx context.Context, in *orderInput) (sagaBody, error) {
	telemetry.NoteOrder(ctx, in.ID)
	rows, err := m.store.history(ctx, in.ID)
	if err != nil {
		return sagaBody{}, err
	}
	orders, err := replay(rows)
	if err != nil {
		return sagaBody{}, err
	}
	return sagaOf(orders[0]), nil
}

func sagaOf(o Order) sagaBody {
	out := sagaBody{State: o.SagaState(), Steps: []stepBody{}}
	for s, step := range o.Steps {
		if step.State == notStarted {
			continue
		}
		b := stepBody{Name: stepName(s).String(), Status: string(step.State), StartedAt: step.StartedAt, Attempts: step.Attempts, Error: step.Error}
		if step.State == compensating { // to a client a step is what it was, until it is compensated
			b.Status = string(started)
			if !step.FinishedAt.IsZero() {
				b.Status = string(completed)
			}
		}
		if !step.FinishedAt.IsZero() {
			b.FinishedAt = &step.FinishedAt
		}
		out.Steps = append(out.Steps, b)
	}
	return out
}

type cancelInput struct {
	ID   string `path:"id" pattern:"^ord_[0-9a-z]{26}$" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"In the customer's words"`
	}
}

func (m *Module) postCancel(ctx context.Context, in *cancelInput) (web.Raw, error) {
	telemetry.NoteOrder(ctx, in.ID)
	detail := ""
	if in.Body != nil {
		detail = in.Body.Reason
	}
	if err := m.requestCancel(ctx, auth.From(ctx), in.ID, detail); err != nil {
		return web.Raw{}, err
	}
	sum, err := m.store.find(ctx, in.ID)
	if err != nil {
		return web.Raw{}, err
	}
	return web.Raw{Status: http.StatusAccepted, Body: sum.document()}.With("Location", "/v1/orders/"+in.ID), nil
}

type interveneInput struct {
	ID     string `path:"id" pattern:"^ord_[0-9a-z]{26}$" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Action string `path:"action" enum:"retry,skip,force"`
	Body   struct {
		Note string `json:"note" minLength:"1" maxLength:"500" doc:"Why; kept in the history"`
	}
}

func (m *Module) postIntervention(ctx context.Context, in *interveneInput) (sagaBody, error) {
	telemetry.NoteOrder(ctx, in.ID)
	if err := m.intervene(ctx, in.ID, in.Action, in.Body.Note); err != nil {
		return sagaBody{}, err
	}
	return m.getSaga(ctx, &orderInput{in.ID})
}
