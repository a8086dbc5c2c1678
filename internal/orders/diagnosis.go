package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// Diagnosis is what the database tells those who run the shop of an order: how it came to where it is, and what it waits for.
type Diagnosis struct {
	OrderID string        `json:"order_id"`
	Status  Status        `json:"status"`
	Saga    string        `json:"saga_state"`
	Waits   *Wait         `json:"waits_for"` // nil when nothing more happens to the order
	Events  []TracedEvent `json:"events"`    // oldest first
}

// TracedEvent is an event with what led to it.
type TracedEvent struct {
	Version int64     `json:"version"`
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
	TraceID string    `json:"trace_id,omitempty"`
	Cause   string    `json:"cause,omitempty"` // id of the message; empty for what a request or a deadline led to
}

// Wait is what an order waits for.
type Wait struct {
	Step         string     `json:"step"`                   // reserve_stock, take_payment, create_shipment; dispatch or delivery when the process has done its part
	Compensation bool       `json:"compensation,omitempty"` // the step is being taken back
	On           string     `json:"on"`                     // whose turn it is: a context, an operator, or the carrier
	Since        time.Time  `json:"since"`
	Attempts     int        `json:"attempts,omitempty"`
	Deadline     *time.Time `json:"deadline,omitempty"` // then the process does something about it by itself
	Error        string     `json:"error,omitempty"`
	ShipmentID   string     `json:"shipment_id,omitempty"`
}

// Diagnose reads what became of an order from the database of orders, for whoever can read that; the process that hosts orders may be down. Errors: ErrNotFound,
// sqldb.ErrUnavailable.
func Diagnose(ctx context.Context, db *sqldb.DB, orderID string) (Diagnosis, error) {
	stored, deadline, err := readTraced(ctx, db, orderID)
	if err != nil {
		return Diagnosis{}, err
	}
	rows := make([]record, len(stored))
	d := Diagnosis{OrderID: orderID}
	for i, r := range stored {
		var meta metadata
		if err := json.Unmarshal(r.Metadata, &meta); err != nil {
			return Diagnosis{}, fmt.Errorf("stream %s, event %d: %w", orderID, r.Version, err)
		}
		if meta.Trace == "" && i > 0 {
			meta.Trace = d.Events[0].TraceID
		}
		meta.Trace = telemetry.UnabridgedID(meta.Trace, orderID)
		rows[i] = r.record
		d.Events = append(d.Events, TracedEvent{Version: r.Version, Type: r.Type, At: sqldb.Time(r.RecordedAt), TraceID: meta.Trace, Cause: meta.Cause})
	}
	all, err := replay(rows)
	if err != nil {
		return Diagnosis{}, err
	}
	o := all[0]
	d.Status, d.Saga, d.Waits = o.Status, o.SagaState(), o.wait()
	if d.Waits != nil && deadline != nil {
		at := sqldb.Time(*deadline)
		d.Waits.Deadline = &at
	}
	return d, nil
}

// doers are the contexts that do the steps.
var doers = [stepCount]string{reserveStock: "inventory", takePayment: "payments", createShipment: "shipping"}

// wait is what the order waits for; nil when nothing more happens to it.
func (o Order) wait() *Wait {
	if o.final() {
		return nil
	}
	if s := o.compensatingStep(); s < stepCount {
		w := &Wait{Step: s.String(), Compensation: true, On: doers[s], Since: o.UpdatedAt, Attempts: o.Steps[s].Attempts, Error: o.Steps[s].Error}
		if o.Steps[s].State == compensationFailed {
			w.On = "operator"
		}
		return w
	}
	for _, s := range []stepName{reserveStock, takePayment, createShipment} {
		if o.waitsFor(s) {
			return &Wait{Step: s.String(), On: doers[s], Since: o.Steps[s].StartedAt, Attempts: o.Steps[s].Attempts}
		}
	}
	if o.Status == Shipped {
		return &Wait{Step: "delivery", On: "carrier", Since: o.UpdatedAt, ShipmentID: o.ShipmentID}
	}
	return &Wait{Step: "dispatch", On: "operator", Since: o.Steps[createShipment].FinishedAt, ShipmentID: o.ShipmentID}
}
