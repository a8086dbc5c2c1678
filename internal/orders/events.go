package orders

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"shop/internal/inventory/inventoryapi"
)

// An event is something that happened to an order. The stream of an order's events is its only truth and the log of its process: started,
// completed, compensated and failed steps are events like any other.
type event interface {
	// apply changes the order to what it is after the event.
	apply(o *Order, at time.Time)
}

// The events, by the name under which they are stored. Names and fields stay for ever; changes are additive.
var eventTypes = map[string]func() event{
	"order.placed":           func() event { return &placed{} },
	"stock.reserved":         func() event { return &stockReserved{} },
	"stock.refused":          func() event { return &stockRefused{} },
	"payment.captured":       func() event { return &paymentCaptured{} },
	"payment.declined":       func() event { return &paymentDeclined{} },
	"payment.refunded":       func() event { return &paymentRefunded{} },
	"order.confirmed":        func() event { return &confirmed{} },
	"shipment.created":       func() event { return &shipmentCreated{} },
	"order.shipped":          func() event { return &shipped{} },
	"order.delivered":        func() event { return &delivered{} },
	"step.retried":           func() event { return &stepRetried{} },
	"cancellation.requested": func() event { return &cancellationRequested{} },
	"cancellation.refused":   func() event { return &cancellationRefused{} },
	"compensation.started":   func() event { return &compensationStarted{} },
	"compensation.completed": func() event { return &compensationCompleted{} },
	"compensation.failed":    func() event { return &compensationRefused{} },
	"order.cancelled":        func() event { return &cancelled{} },
}

var eventNames = func() map[reflect.Type]string {
	names := map[reflect.Type]string{}
	for name, make := range eventTypes {
		names[reflect.TypeOf(make())] = name
	}
	return names
}()

func nameOf(e event) string { return eventNames[reflect.TypeOf(e)] }

// decodeEvent reads a stored event. Errors: a name this program does not know, or data that does not fit it.
func decodeEvent(name string, data []byte) (event, error) {
	make, ok := eventTypes[name]
	if !ok {
		return nil, fmt.Errorf("orders: unknown event %q", name)
	}
	e := make()
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("orders: event %s: %w", name, err)
	}
	return e, nil
}

// with is the order after the event.
func (o Order) with(e event, at time.Time) Order {
	e.apply(&o, at)
	o.Version++
	o.UpdatedAt = at
	return o
}

type (
	stockReserved struct {
		ExpiresAt time.Time `json:"expires_at"`
	}
	stockRefused struct {
		Shortages []inventoryapi.Shortage `json:"shortages"`
	}
	paymentCaptured struct {
		PaymentID string `json:"payment_id"`
		Amount    int64  `json:"amount"`
	}
	paymentDeclined struct {
		PaymentID string `json:"payment_id"`
		Code      string `json:"code"`
	}
	paymentRefunded struct {
		RefundID string `json:"refund_id"`
		Amount   int64  `json:"amount"`
		Total    int64  `json:"total"`
	}
	confirmed       struct{}
	shipmentCreated struct {
		ShipmentID string `json:"shipment_id"`
	}
	shipped struct {
		ShipmentID     string `json:"shipment_id"`
		Carrier        string `json:"carrier,omitempty"`
		TrackingNumber string `json:"tracking_number,omitempty"`
	}
	delivered struct {
		ShipmentID string `json:"shipment_id"`
	}
	// stepRetried: a command, or the command of a compensation, was sent again.
	stepRetried struct {
		Step stepName `json:"step"`
		By   string   `json:"by"` // deadline or operator
		Note string   `json:"note,omitempty"`
	}
	cancellationRequested struct {
		Reason Reason `json:"reason"`
		Detail string `json:"detail,omitempty"`
		By     string `json:"by"` // customer, process or operator
	}
	// cancellationRefused: the goods had left already; the order goes on.
	cancellationRefused struct {
		Detail string `json:"detail"`
	}
	compensationStarted struct {
		Step stepName `json:"step"`
	}
	compensationCompleted struct {
		Step     stepName `json:"step"`
		Refunded int64    `json:"refunded,omitempty"` // minor units that went back to the customer
		By       string   `json:"by,omitempty"`       // operator, when the step was skipped by hand
		Note     string   `json:"note,omitempty"`
	}
	compensationRefused struct {
		Step  stepName `json:"step"`
		Error string   `json:"error"`
	}
	cancelled struct {
		Reason Reason `json:"reason"`
		Detail string `json:"detail,omitempty"`
	}
)

func (e *placed) apply(o *Order, at time.Time) {
	o.Status, o.Placed, o.PlacedAt = Pending, *e, at
	o.start(reserveStock, at)
}

func (e *stockReserved) apply(o *Order, at time.Time) {
	o.finish(reserveStock, completed, "", at)
	o.start(takePayment, at)
}

func (e *stockRefused) apply(o *Order, at time.Time) {
	o.finish(reserveStock, failed, string(OutOfStock), at)
}

func (e *paymentCaptured) apply(o *Order, at time.Time) {
	o.PaymentID, o.Captured = e.PaymentID, e.Amount
	if o.Steps[takePayment].State == started {
		o.finish(takePayment, completed, "", at)
	}
}

func (e *paymentDeclined) apply(o *Order, at time.Time) {
	o.PaymentID, o.Declined = e.PaymentID, true
	o.finish(takePayment, failed, e.Code, at)
}

func (e *paymentRefunded) apply(o *Order, _ time.Time) { o.Refunded = max(o.Refunded, e.Total) }

func (e *confirmed) apply(o *Order, at time.Time) {
	o.Status = Confirmed
	o.start(confirmOrder, at)
	o.finish(confirmOrder, completed, "", at)
	o.start(createShipment, at)
}

func (e *shipmentCreated) apply(o *Order, at time.Time) {
	o.ShipmentID = e.ShipmentID
	o.finish(createShipment, completed, "", at)
}

func (e *shipped) apply(o *Order, at time.Time) {
	o.Status, o.ShipmentID = Shipped, e.ShipmentID
	if o.Steps[createShipment].State == started { // it was created, then, though nobody said so yet
		o.finish(createShipment, completed, "", at)
	}
}

func (e *delivered) apply(o *Order, _ time.Time) { o.Status = Delivered }

func (e *stepRetried) apply(o *Order, _ time.Time) {
	step := &o.Steps[e.Step]
	step.Attempts++
	if step.State == compensationFailed {
		step.State, step.Error = compensating, ""
	}
}

func (e *cancellationRequested) apply(o *Order, _ time.Time) {
	o.Cancelling, o.Detail = e.Reason, e.Detail
}

func (e *cancellationRefused) apply(o *Order, at time.Time) {
	o.Cancelling, o.Detail = "", ""
	o.finish(createShipment, completed, "", at)
}

func (e *compensationStarted) apply(o *Order, at time.Time) {
	o.Steps[e.Step].State, o.Steps[e.Step].Attempts = compensating, 1
}

func (e *compensationCompleted) apply(o *Order, at time.Time) {
	o.finish(e.Step, compensated, "", at)
	if e.Refunded > 0 { // all that had been captured went back, whoever gave back the first part of it
		o.Refunded = max(o.Captured, e.Refunded)
	}
}

func (e *compensationRefused) apply(o *Order, at time.Time) {
	o.finish(e.Step, compensationFailed, e.Error, at)
}

func (e *cancelled) apply(o *Order, _ time.Time) {
	o.Status, o.Cancelling, o.Detail = Cancelled, e.Reason, e.Detail
}

func (o *Order) start(s stepName, at time.Time) {
	o.Steps[s] = Step{State: started, StartedAt: at, Attempts: 1}
}

func (o *Order) finish(s stepName, state stepState, problem string, at time.Time) {
	o.Steps[s].State, o.Steps[s].Error, o.Steps[s].FinishedAt = state, problem, at
}
