package orders

import (
	"fmt"
	"slices"
	"time"

	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/shipping/shippingapi"
)

// Status is where an order stands, as the customer sees it.
type Status string

const (
	Pending   Status = "pending"
	Confirmed Status = "confirmed"
	Shipped   Status = "shipped"
	Delivered Status = "delivered"
	Cancelled Status = "cancelled"
)

// nextStatus is every legal change of status.
var nextStatus = map[Status][]Status{
	Pending:   {Confirmed, Cancelled},
	Confirmed: {Shipped, Cancelled},
	Shipped:   {Delivered},
}

// Reason says why an order was cancelled.
type Reason string

const (
	OutOfStock      Reason = "out_of_stock"
	PaymentDeclined Reason = "payment_declined"
	CustomerRequest Reason = "customer_request"
	TimedOut        Reason = "timed_out"
	Failed          Reason = "failed"
)

// Item is a line of an order, with name and price as they were when it was placed.
type Item struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	Total     money.Money `json:"total"`
}

// Order is the aggregate: what its events add up to. It is a value; a change is a new value, see with.
type Order struct {
	ID      string
	Version int64 // number of events
	Status  Status
	Placed  placed // as it was placed; never changes

	PlacedAt  time.Time
	UpdatedAt time.Time

	PaymentID  string
	Captured   int64 // minor units of the order's currency
	Refunded   int64
	Declined   bool
	ShipmentID string

	Cancelling Reason // why compensation runs, or ran; empty while the order goes forward
	Detail     string // in words
	Steps      [stepCount]Step

	traceID string // of the request that placed it; empty once the order was read from the database
}

// Names of the steps of the process, in the order in which they run. Compensation runs in reverse.
type stepName int

const (
	reserveStock stepName = iota
	takePayment
	confirmOrder // the pivot: from here the order goes forward unless somebody cancels it
	createShipment
	stepCount
)

var stepNames = [stepCount]string{"reserve_stock", "take_payment", "confirm_order", "create_shipment"}

func (s stepName) String() string { return stepNames[s] }

// MarshalText gives the step its name in stored events.
func (s stepName) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name. Errors: there is no such step.
func (s *stepName) UnmarshalText(name []byte) error {
	i := slices.Index(stepNames[:], string(name))
	if i < 0 {
		return fmt.Errorf("orders: unknown step %q", name)
	}
	*s = stepName(i)
	return nil
}

// stepState is how far a step is.
type stepState string

const (
	notStarted         stepState = ""
	started            stepState = "started"
	completed          stepState = "completed"
	failed             stepState = "failed"
	compensating       stepState = "compensating"
	compensated        stepState = "compensated"
	compensationFailed stepState = "compensation_failed"
)

// Step is one step of the process, as its events tell it.
type Step struct {
	State      stepState
	StartedAt  time.Time
	FinishedAt time.Time
	Attempts   int
	Error      string
}

// ErrNotCancellable: the goods have left the house.
var ErrNotCancellable = fault.New(fault.Conflict, "order_not_cancellable", "the order has been shipped and cannot be cancelled any more")

// forward reports whether the process still goes towards delivery.
func (o Order) forward() bool { return o.Cancelling == "" }

// final reports whether nothing more happens to the order by itself.
func (o Order) final() bool { return o.Status == Cancelled || o.Status == Delivered }

// waitsFor reports whether the step was asked for and not answered, in an order that goes forward.
func (o Order) waitsFor(s stepName) bool { return o.forward() && o.Steps[s].State == started }

// compensatingStep is the step whose compensation runs or failed; stepCount when there is none.
func (o Order) compensatingStep() stepName {
	for s := range o.Steps {
		if st := o.Steps[s].State; st == compensating || st == compensationFailed {
			return stepName(s)
		}
	}
	return stepCount
}

// nextToCompensate is the last step that has an effect to be taken back; stepCount when there is none. A step that was started counts: its
// answer may be under way.
func (o Order) nextToCompensate() stepName {
	for s := createShipment; s >= reserveStock; s-- {
		if st := o.Steps[s].State; s != confirmOrder && (st == started || st == completed) {
			return s
		}
	}
	return stepCount
}

// checkCancel says whether the order may still be cancelled. Errors: ErrNotCancellable.
func (o Order) checkCancel() error {
	if o.Status == Shipped || o.Status == Delivered {
		return ErrNotCancellable
	}
	return nil
}

// SagaState sums the process up: running, completed, compensating, compensated, compensation_failed.
func (o Order) SagaState() string {
	switch {
	case o.Status == Cancelled:
		return "compensated"
	case o.Cancelling != "":
		if s := o.compensatingStep(); s < stepCount && o.Steps[s].State == compensationFailed {
			return "compensation_failed"
		}
		return "compensating"
	case o.Steps[createShipment].State == completed:
		return "completed"
	}
	return "running"
}

// PaymentStatus is derived from what happened to the money.
func (o Order) PaymentStatus() string {
	switch {
	case o.Refunded > 0 && o.Refunded >= o.Captured:
		return "refunded"
	case o.Refunded > 0:
		return "partially_refunded"
	case o.Captured > 0:
		return "captured"
	case o.Declined:
		return "declined"
	case o.Status == Cancelled:
		return "voided"
	}
	return "pending"
}

// FulfillmentStatus is derived from what happened to the goods.
func (o Order) FulfillmentStatus() string {
	switch {
	case o.Status == Cancelled:
		return "cancelled"
	case o.Status == Shipped, o.Status == Delivered:
		return string(o.Status)
	case o.Steps[createShipment].State == completed:
		return "preparing"
	case o.Steps[reserveStock].State == completed:
		return "reserved"
	}
	return "unfulfilled"
}

// refunded is what went back to the customer; the zero value when nothing did.
func (o Order) refunded() money.Money {
	if o.Refunded == 0 {
		return money.Money{}
	}
	return money.Money{Amount: o.Refunded, Currency: o.Placed.Total.Currency}
}

// legal reports whether the status may change to next.
func (o Order) legal(next Status) bool {
	for _, s := range nextStatus[o.Status] {
		if s == next {
			return true
		}
	}
	return false
}

// placed is the first event, and what stays the same ever after.
type placed struct {
	CustomerID    string              `json:"customer_id"`
	Items         []Item              `json:"items"`
	Total         money.Money         `json:"total"`
	Address       shippingapi.Address `json:"shipping_address"`
	Email         string              `json:"email,omitempty"`
	Metadata      map[string]string   `json:"metadata,omitempty"`
	PaymentMethod string              `json:"payment_method"` // last, see shown
}
