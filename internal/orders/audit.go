package orders

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/audit"
	"shop/internal/shipping/shippingapi"
)

// auditPage is how many orders are compared at once.
const auditPage = 500

// Audit checks what must always be true of orders (I3, I4, I11, I12), and, asking the contexts that orders directs, what must be true of an order's money, stock and
// parcel (I1, I5, I14). Errors: sqldb.ErrUnavailable, or that of a context which does not answer.
func (m *Module) Audit(ctx context.Context) ([]audit.Finding, error) {
	var found []audit.Finding
	after := ""
	for {
		var rows []summary
		if err := m.needs.DB.Select(ctx, &rows, `SELECT `+summaryColumns+` FROM order_summaries s WHERE order_id > $1 ORDER BY order_id LIMIT $2`, after, auditPage); err != nil {
			return found, err
		}
		if len(rows) == 0 {
			break
		}
		some, err := m.auditPage(ctx, rows)
		found = append(found, some...)
		if err != nil {
			return found, err
		}
		after = rows[len(rows)-1].ID
		audit.Advance(ctx, len(rows))
	}
	orphans, err := m.auditOrphans(ctx)
	return append(found, orphans...), err
}

// auditPage checks some orders. A shop at work changes between two reads, so an order that looks wrong is looked at again, and reported if it has not
// changed in between.
func (m *Module) auditPage(ctx context.Context, rows []summary) ([]audit.Finding, error) {
	first := auditedPage{m: m, ctx: ctx, summaries: rows}
	if err := first.check(); err != nil || len(first.found) == 0 {
		return nil, err
	}
	second := auditedPage{m: m, ctx: ctx}
	if err := m.needs.DB.Select(ctx, &second.summaries, `SELECT `+summaryColumns+` FROM order_summaries s WHERE order_id IN {$1} ORDER BY order_id`, first.subjects()); err != nil {
		return nil, err
	}
	if err := second.check(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(second.found, func(f audit.Finding) bool {
		return first.orders[f.Subject].Version != second.orders[f.Subject].Version
	}), nil
}

// auditOrphans finds streams without a summary.
func (m *Module) auditOrphans(ctx context.Context) ([]audit.Finding, error) {
	var ids []string
	if err := m.needs.DB.Select(ctx, &ids, `SELECT e.stream_id FROM events e WHERE e.version = 1
		AND NOT EXISTS (SELECT 1 FROM order_summaries s WHERE s.order_id = e.stream_id) LIMIT 100`); err != nil {
		return nil, err
	}
	var found []audit.Finding
	for _, id := range ids {
		found = append(found, audit.Finding{Invariant: "I11", Context: "orders", Subject: id, Detail: "the stream has no summary"})
	}
	return found, nil
}

// auditedPage is a part of all orders, with what the other contexts say of them.
type auditedPage struct {
	m         *Module
	ctx       context.Context
	summaries []summary
	found     []audit.Finding

	orders       map[string]Order
	raw          map[string][]record
	payments     map[string]paymentsapi.Payment
	shipments    map[string][]shippingapi.Shipment
	reservations map[string]inventoryapi.Reservation
}

func (p *auditedPage) report(invariant, subject, format string, args ...any) {
	p.found = append(p.found, audit.Finding{Invariant: invariant, Context: "orders", Subject: subject, Detail: fmt.Sprintf(format, args...)})
}

// subjects are the orders that something was found about.
func (p *auditedPage) subjects() []string {
	var ids []string
	for _, f := range p.found {
		if n := len(ids); n == 0 || ids[n-1] != f.Subject {
			ids = append(ids, f.Subject)
		}
	}
	return ids
}

func (p *auditedPage) check() error {
	ids := make([]string, len(p.summaries))
	for i, s := range p.summaries {
		ids[i] = s.ID
	}
	if err := p.loadStreams(ids); err != nil {
		return err
	}
	if err := p.askNeighbours(ids); err != nil {
		return err
	}
	for _, s := range p.summaries {
		o, ok := p.orders[s.ID]
		if !ok {
			continue // reported as a broken stream
		}
		p.checkProjection(s, o)
		p.checkOutcome(o)
		p.checkMoney(o)
		p.checkGoods(o)
		p.checkCompensation(o)
	}
	return nil
}

// loadStreams replays each order (I4).
func (p *auditedPage) loadStreams(ids []string) error {
	var rows []record
	if err := p.m.needs.DB.Select(p.ctx, &rows, `SELECT stream_id, version, type, data, recorded_at FROM events WHERE stream_id IN {$1} ORDER BY stream_id, version`, ids); err != nil {
		return err
	}
	p.raw, p.orders = map[string][]record{}, map[string]Order{}
	for _, r := range rows {
		p.raw[r.StreamID] = append(p.raw[r.StreamID], r)
	}
	for _, id := range ids {
		orders, err := replay(p.raw[id])
		if err != nil || len(orders) != 1 {
			p.report("I4", id, "the stream cannot be replayed: %v", err)
			continue
		}
		p.orders[id] = orders[0]
	}
	return nil
}

func (p *auditedPage) askNeighbours(ids []string) error {
	p.payments, p.shipments, p.reservations = map[string]paymentsapi.Payment{}, map[string][]shippingapi.Shipment{}, map[string]inventoryapi.Reservation{}
	payments, err := p.m.needs.Payments.Payments(p.ctx, ids)
	if err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	for _, x := range payments {
		p.payments[x.Reference] = x
	}
	shipments, err := p.m.needs.Shipping.Shipments(p.ctx, ids)
	if err != nil {
		return fmt.Errorf("shipping: %w", err)
	}
	for _, x := range shipments {
		p.shipments[x.Reference] = append(p.shipments[x.Reference], x)
	}
	reservations, err := p.m.needs.Inventory.Reservations(p.ctx, ids)
	if err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	for _, x := range reservations {
		p.reservations[x.Reference] = x
	}
	return nil
}

// checkProjection: I11, the summary is the replay of the events.
func (p *auditedPage) checkProjection(s summary, o Order) {
	want := p.m.store.project(o)
	s.DeadlineAt, want.DeadlineAt, s.Open, want.Open = nil, nil, false, false // depends on the configuration too
	got, replayed := s.row(), want.row()
	for i, column := range rowColumns {
		if got[i] != replayed[i] {
			p.report("I11", o.ID, "%s is %v, the events say %v", column, got[i], replayed[i])
		}
	}
}

// stuckAfter is how long an order may be under way before it counts as lost.
func (p *auditedPage) stuckAfter() time.Duration {
	d := p.m.needs.Deadlines
	return d.Reserve + d.Pay + d.Ship + 3*d.Compensate
}

// checkOutcome: I3, every order gets an outcome.
func (p *auditedPage) checkOutcome(o Order) {
	state := o.SagaState()
	if state == "completed" || state == "compensated" {
		return
	}
	if age := p.m.needs.Clock.Now().Sub(o.UpdatedAt); age > p.stuckAfter() || state == "compensation_failed" {
		p.report("I3", o.ID, "%s, process %s, nothing happened for %s", o.Status, state, age.Round(time.Second))
	}
}

// settled reports whether the other contexts must agree with the order by now.
func settled(o Order) bool {
	state := o.SagaState()
	return state == "completed" || state == "compensated"
}

// checkMoney: I5, confirmed ⇒ captured = total; cancelled ⇒ captured = refunded.
func (p *auditedPage) checkMoney(o Order) {
	pay, paid := p.payments[o.ID]
	if paid && (pay.Captured > o.Placed.Total.Amount || pay.Refunded > pay.Captured || pay.Captured > pay.Authorized) {
		p.report("I5", o.ID, "total %d, authorized %d, captured %d, refunded %d", o.Placed.Total.Amount, pay.Authorized, pay.Captured, pay.Refunded)
	}
	switch {
	case o.Status == Cancelled && pay.Captured != pay.Refunded:
		p.report("I5", o.ID, "cancelled with %d captured and %d refunded", pay.Captured, pay.Refunded)
	case o.forward() && o.Status != Pending && pay.Captured != o.Placed.Total.Amount:
		p.report("I5", o.ID, "%s with %d captured of %d", o.Status, pay.Captured, o.Placed.Total.Amount)
	case paid && settled(o) && pay.Amount.Currency != o.Placed.Total.Currency:
		p.report("I5", o.ID, "paid in %s, ordered in %s", pay.Amount.Currency, o.Placed.Total.Currency)
	}
}

// checkGoods: I14, no parcel without captured payment and at most one; I1, what is reserved for an order is what its state says.
func (p *auditedPage) checkGoods(o Order) {
	live := 0
	for _, s := range p.shipments[o.ID] {
		if s.Status != "cancelled" {
			live++
		}
	}
	captured := p.payments[o.ID].Captured
	if live > 1 || (live == 1 && captured == 0) {
		p.report("I14", o.ID, "%d shipments with %d captured", live, captured)
	}
	if !settled(o) {
		return
	}
	if want := map[bool]int{true: 0, false: 1}[o.Status == Cancelled]; live != want {
		p.report("I14", o.ID, "%s with %d shipments", o.Status, live)
	}
	r := p.reservations[o.ID]
	if o.Status == Cancelled && (r.Status == "held" || r.Status == "committed" || r.Status == "shipped") {
		p.report("I1", o.ID, "cancelled with a reservation that is %s", r.Status)
	}
	if o.Status != Cancelled && (r.Status == "refused" || r.Status == "released" || r.Status == "expired" || r.Status == "") {
		p.report("I1", o.ID, "%s with a reservation that is %q", o.Status, r.Status)
	}
}

// checkCompensation: I12, each step of a cancelled order that had been begun, and had not failed, was taken back exactly once, the last one first.
func (p *auditedPage) checkCompensation(o Order) {
	if o.Status != Cancelled {
		return
	}
	var undone []stepName
	last := stepCount
	for _, r := range p.raw[o.ID] {
		e, err := decodeEvent(r.Type, r.Data)
		c, ok := e.(*compensationCompleted)
		if err != nil || !ok {
			continue
		}
		undone = append(undone, c.Step)
		if c.Step >= last {
			p.report("I12", o.ID, "compensated in the wrong order, or twice: %v", undone)
		}
		last = c.Step
	}
	for s, step := range o.Steps {
		if stepName(s) != confirmOrder && step.State != notStarted && step.State != failed && step.State != compensated {
			p.report("I12", o.ID, "cancelled, but step %s is %s", stepName(s), step.State)
		}
	}
}

var _ audit.Auditor = (*Module)(nil)
