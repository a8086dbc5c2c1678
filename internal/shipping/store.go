package shipping

import (
	"context"

	"shop/internal/platform/sqldb"
)

// The write side. A shipment is read at most once in a transaction, lives in its locals, shared by all its jobs, and is written at most once, at the end, if
// the row is still the one that was read; otherwise the jobs run again. Nothing else may read or write these rows in a transaction.

// localKey names the shipment of a reference in a transaction's locals.
type localKey string

const columns = `id, reference, owner, status, tombstone, lines, address, carrier, tracking_number, version, traceparent, created_at, updated_at, dispatched_at, delivered_at, returned_at, cancelled_at`

// row is how a shipment is stored. Times are microseconds; 0 is never.
type row struct {
	ID             string     `db:"id"`
	Reference      string     `db:"reference"`
	Owner          string     `db:"owner"`
	Status         status     `db:"status"`
	Tombstone      bool       `db:"tombstone"`
	Lines          sqldb.JSON `db:"lines"`
	Address        sqldb.JSON `db:"address"`
	Carrier        string     `db:"carrier"`
	TrackingNumber string     `db:"tracking_number"`
	Version        int64      `db:"version"`
	Traceparent    string     `db:"traceparent"`
	CreatedAt      int64      `db:"created_at"`
	UpdatedAt      int64      `db:"updated_at"`
	DispatchedAt   int64      `db:"dispatched_at"`
	DeliveredAt    int64      `db:"delivered_at"`
	ReturnedAt     int64      `db:"returned_at"`
	CancelledAt    int64      `db:"cancelled_at"`
}

func (r row) shipment() shipment {
	return shipment{
		id: r.ID, reference: r.Reference, owner: r.Owner, status: r.Status, tombstone: r.Tombstone, lines: r.Lines, address: r.Address,
		parcel: parcel{r.Carrier, r.TrackingNumber}, version: r.Version, trace: r.Traceparent, createdAt: sqldb.Time(r.CreatedAt), updatedAt: sqldb.Time(r.UpdatedAt),
		dispatchedAt: sqldb.Time(r.DispatchedAt), deliveredAt: sqldb.Time(r.DeliveredAt), returnedAt: sqldb.Time(r.ReturnedAt), cancelledAt: sqldb.Time(r.CancelledAt),
	}
}

// loadShipments reads those of the references that the transaction does not know yet, with one statement. Errors: sqldb.ErrUnavailable.
func loadShipments(ctx context.Context, tx *sqldb.Tx, references []string) error {
	missing := make([]string, 0, len(references))
	for _, ref := range references {
		if _, known := tx.Local(localKey(ref)); !known {
			missing = append(missing, ref)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var rows []row
	if err := tx.Select(ctx, &rows, `SELECT `+columns+` FROM shipments WHERE reference IN {$1}`, missing); err != nil {
		return err
	}
	for _, ref := range missing {
		tx.SetLocal(localKey(ref), shipment{reference: ref})
	}
	for _, r := range rows {
		tx.SetLocal(localKey(r.Reference), r.shipment())
	}
	return nil
}

// shipmentOf is the shipment as the transaction sees it; its status is none when there is no such. Errors: sqldb.ErrUnavailable.
func shipmentOf(ctx context.Context, tx *sqldb.Tx, reference string) (shipment, error) {
	if err := loadShipments(ctx, tx, []string{reference}); err != nil {
		return shipment{}, err
	}
	s, _ := tx.Local(localKey(reference))
	return s.(shipment), nil
}

var insertShipments = sqldb.Many{
	SQL: `INSERT INTO shipments (reference, id, owner, status, tombstone, lines, address, carrier, tracking_number, version, traceparent, created_at, updated_at,
			dispatched_at, delivered_at, returned_at, cancelled_at)
		SELECT r.reference, r.id, r.owner, r.status, r.tombstone, r.lines, r.address, r.carrier, r.tracking_number, 1, r.traceparent, r.created_at, r.updated_at,
			r.dispatched_at, r.delivered_at, r.returned_at, r.cancelled_at
		FROM {rows}`,
	Columns: "reference text, id text, owner text, status text, tombstone bool, lines json, address json, carrier text, tracking_number text, " +
		"traceparent text, created_at bigint, updated_at bigint, dispatched_at bigint, delivered_at bigint, returned_at bigint, cancelled_at bigint",
	Last: 1,
}

var updateShipments = sqldb.Many{
	SQL: `UPDATE shipments SET status = r.status, carrier = r.carrier, tracking_number = r.tracking_number, version = r.version + 1, updated_at = r.updated_at,
			dispatched_at = r.dispatched_at, delivered_at = r.delivered_at, returned_at = r.returned_at, cancelled_at = r.cancelled_at
		FROM {rows} WHERE shipments.reference = r.reference AND shipments.version = r.version`,
	Columns: "reference text, version bigint, status text, carrier text, tracking_number text, updated_at bigint, " +
		"dispatched_at bigint, delivered_at bigint, returned_at bigint, cancelled_at bigint",
	Exact: true, Last: 2,
}

// saveShipment makes s what the transaction sees, and what it writes at its end.
func saveShipment(tx *sqldb.Tx, s shipment) {
	tx.SetLocal(localKey(s.reference), s)
	updated, dispatched := sqldb.Micros(s.updatedAt), sqldb.Micros(s.dispatchedAt)
	delivered, returned, cancelled := sqldb.Micros(s.deliveredAt), sqldb.Micros(s.returnedAt), sqldb.Micros(s.cancelledAt)
	if s.version > 0 {
		tx.Queue(&updateShipments, s.reference, s.version, string(s.status), s.parcel.carrier, s.parcel.trackingNumber, updated,
			dispatched, delivered, returned, cancelled)
		return
	}
	tx.Queue(&insertShipments, s.reference, s.id, s.owner, string(s.status), s.tombstone, s.lines, s.address, s.parcel.carrier, s.parcel.trackingNumber, s.trace,
		sqldb.Micros(s.createdAt), updated, dispatched, delivered, returned, cancelled)
}
