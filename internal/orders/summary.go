package orders

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"shop/internal/platform/sqldb"
)

// summary is the projection of an order: a row of order_summaries. It is a function of the events alone; the audit compares both.
type summary struct {
	ID            string     `db:"order_id"`
	Version       int64      `db:"version"`
	Status        string     `db:"status"`
	Payment       string     `db:"payment_status"`
	Fulfillment   string     `db:"fulfillment_status"`
	Saga          string     `db:"saga_state"`
	Reason        string     `db:"cancellation_reason"`
	Detail        string     `db:"cancellation_detail"`
	UpdatedAt     int64      `db:"updated_at"`
	DeadlineAt    *int64     `db:"deadline_at"`
	Open          bool       `db:"open"` // somebody has to look after it
	CustomerID    string     `db:"customer_id"`
	PlacedAt      int64      `db:"placed_at"`
	TotalAmount   int64      `db:"total_amount"`
	TotalCurrency string     `db:"currency"`
	ItemCount     int64      `db:"item_count"`
	Placed        sqldb.JSON `db:"placed"` // the first event; read with the row, and never changed
}

// project makes the summary of an order, open if it is under way or waits for an operator.
func (s *store) project(o Order) summary {
	sum := summaryOf(o)
	if at := s.deadline(o); !at.IsZero() {
		us := sqldb.Micros(at)
		sum.DeadlineAt, sum.Open = &us, true
	}
	sum.Open = sum.Open || sum.Saga == "compensation_failed"
	return sum
}

func summaryOf(o Order) summary {
	sum := summary{
		ID: o.ID, Version: o.Version, Status: string(o.Status), Payment: o.PaymentStatus(), Fulfillment: o.FulfillmentStatus(), Saga: o.SagaState(),
		UpdatedAt: sqldb.Micros(o.UpdatedAt), CustomerID: o.Placed.CustomerID, PlacedAt: sqldb.Micros(o.PlacedAt),
		TotalAmount: o.Placed.Total.Amount, TotalCurrency: o.Placed.Total.Currency, ItemCount: int64(len(o.Placed.Items)),
	}
	if o.Status == Cancelled {
		sum.Reason, sum.Detail = string(o.Cancelling), o.Detail
	}
	return sum
}

// wholeSummaryOf is the summary with what never changes.
func wholeSummaryOf(o Order) summary {
	sum := summaryOf(o)
	sum.Placed = sqldb.Marshal(o.Placed)
	return sum
}

// changing are the columns that an event may change, in the order of updateSummary.
func (s summary) changing() []any {
	var deadline any
	if s.DeadlineAt != nil {
		deadline = *s.DeadlineAt
	}
	return []any{s.ID, s.Version, s.Status, s.Payment, s.Fulfillment, s.Saga, s.Reason, s.Detail, s.UpdatedAt, deadline, s.Open}
}

// rowColumns are the columns of row.
var rowColumns = []string{"order_id", "version", "status", "payment_status", "fulfillment_status", "saga_state", "cancellation_reason", "cancellation_detail",
	"updated_at", "deadline_at", "open", "customer_id", "placed_at", "total_amount", "currency", "item_count"}

// row is the whole row, in the order of insertSummary.
func (s summary) row() []any {
	return append(s.changing(), s.CustomerID, s.PlacedAt, s.TotalAmount, s.TotalCurrency, s.ItemCount)
}

// shown is the part of the first event that the API shows: all but the payment method, which is its last field.
func shown(placed []byte) []byte {
	if i := bytes.LastIndex(placed, []byte(`,"payment_method":"`)); i > 0 {
		return append(placed[:i:i], '}')
	}
	return placed
}

// document is the order as the API shows it. What never changes was encoded once, when it was placed, and is shown as it was stored.
func (s summary) document() []byte {
	b := make([]byte, 0, len(s.Placed)+320)
	b = append(b, `{"id":"`...)
	b = append(b, s.ID...)
	b = append(b, `","status":"`...)
	b = append(b, s.Status...)
	b = append(b, `","version":`...)
	b = strconv.AppendInt(b, s.Version, 10)
	b = append(b, `,"payment_status":"`...)
	b = append(b, s.Payment...)
	b = append(b, `","fulfillment_status":"`...)
	b = append(b, s.Fulfillment...)
	b = append(b, '"')
	if s.Status == string(Cancelled) {
		detail, _ := json.Marshal(s.Detail) // a string always has a JSON form
		b = append(append(append(append(b, `,"cancellation":{"reason":"`...), s.Reason...), `","detail":`...), detail...)
		b = append(b, '}')
	}
	b = append(b, `,"placed_at":"`...)
	b = sqldb.Time(s.PlacedAt).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","updated_at":"`...)
	b = sqldb.Time(s.UpdatedAt).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `",`...)
	return append(b, shown(s.Placed)[1:]...)
}
