package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, pgtest.IgnoreServer()) }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is a module that is not started: what it publishes stays in its outbox, where the tests read it.
type house struct {
	t     testing.TB
	db    *sqldb.DB
	clock *clock.Fake
	m     *Module
}

func newHouse(t testing.TB, db *sqldb.DB) *house {
	c := clock.NewFake(noon)
	transport := bus.NewMemory()
	require.NoError(t, transport.Join("orders", bus.Topic("inventory", bus.Event))) // events that nobody hears are not written
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	return &house{t, db, c, New(Needs{DB: db, Bus: transport, Log: zap.NewNop(), Clock: c})}
}

// inEach runs the test on each kind of database; afterwards the invariants must hold.
func inEach(t *testing.T, test func(t *testing.T, h *house)) {
	dbtest.Each(t, "inventory", func(t *testing.T, db *sqldb.DB) {
		h := newHouse(t, db)
		test(t, h)
		h.requireSound()
	})
}

func (h *house) requireSound() {
	h.t.Helper()
	findings, err := h.m.Audit(context.Background())
	require.NoError(h.t, err)
	require.Empty(h.t, findings)
}

type job = func(ctx context.Context, tx *sqldb.Tx) error

// handle is the job that applies a command.
func (h *house) handle(c bus.Body) job {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		switch c := c.(type) {
		case inventoryapi.ReserveStock:
			return h.m.reserve(ctx, tx, c)
		case inventoryapi.ExtendReservation:
			return h.m.extend(ctx, tx, c)
		case inventoryapi.CommitReservation:
			return h.m.commit(ctx, tx, c)
		case inventoryapi.ReleaseStock:
			return h.m.release(ctx, tx, c)
		case inventoryapi.ShipStock:
			return h.m.ship(ctx, tx, c)
		}
		return fmt.Errorf("nobody handles %T", c)
	}
}

// tell applies commands, each in its own transaction, and returns what was published.
func (h *house) tell(commands ...bus.Body) []any {
	h.t.Helper()
	for _, c := range commands {
		require.NoError(h.t, h.db.Write(context.Background(), "", h.handle(c)))
	}
	return h.published()
}

// together runs jobs in one transaction and returns their outcomes. The database must have one lane.
func (h *house) together(jobs ...job) []error {
	h.t.Helper()
	begun, release := make(chan struct{}), make(chan struct{})
	outcomes := make([]chan error, len(jobs)+1)
	for i := range outcomes {
		outcomes[i] = make(chan error, 1)
		run := func(context.Context, *sqldb.Tx) error { close(begun); <-release; return nil }
		if i > 0 {
			run = jobs[i-1]
		}
		require.NoError(h.t, h.db.Submit(context.Background(), sqldb.Job{Run: run}, func(err error) { outcomes[i] <- err }))
		if i == 0 {
			<-begun
		}
	}
	close(release)
	errs := make([]error, len(outcomes))
	for i, o := range outcomes {
		errs[i] = <-o
	}
	return errs[1:]
}

// published empties the outbox.
func (h *house) published() []any {
	h.t.Helper()
	waiting, err := bus.Outbox(context.Background(), h.db, 0, 10_000)
	require.NoError(h.t, err)
	require.NoError(h.t, h.db.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM outbox`)
		return err
	}))
	var bodies []any
	for _, w := range waiting {
		bodies = append(bodies, decodeEvent(h.t, w.Type, []byte(w.Body)))
	}
	return bodies
}

func decodeEvent(t testing.TB, typ string, body []byte) any {
	t.Helper()
	switch typ {
	case inventoryapi.StockReserved{}.MessageType().String():
		return decoded[inventoryapi.StockReserved](t, body)
	case inventoryapi.StockRefused{}.MessageType().String():
		return decoded[inventoryapi.StockRefused](t, body)
	case inventoryapi.StockReleased{}.MessageType().String():
		return decoded[inventoryapi.StockReleased](t, body)
	case inventoryapi.ReservationExpiring{}.MessageType().String():
		return decoded[inventoryapi.ReservationExpiring](t, body)
	case inventoryapi.ReservationExpired{}.MessageType().String():
		return decoded[inventoryapi.ReservationExpired](t, body)
	case inventoryapi.ReservationLost{}.MessageType().String():
		return decoded[inventoryapi.ReservationLost](t, body)
	}
	require.Fail(t, "unknown event", typ)
	return nil
}

func decoded[T any](t testing.TB, body []byte) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(body, &v))
	return v
}

// receive books goods in.
func (h *house) receive(sku string, quantity int64) {
	h.t.Helper()
	_, err := h.book(newMovement(sku, quantity, reasonReceived, "", h.clock.Now()))
	require.NoError(h.t, err)
}

func (h *house) book(moves ...movement) (levels []inventoryapi.Level, err error) {
	err = h.db.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		var err error
		levels, err = move(ctx, tx, moves, h.clock.Now(), func(i int, part string) string { return fmt.Sprintf("[%d].%s", i, part) })
		return err
	})
	return levels, err
}

func (h *house) requireLevel(sku string, onHand, reserved int64) {
	h.t.Helper()
	l, err := h.m.level(context.Background(), sku)
	require.NoError(h.t, err)
	require.Equal(h.t, inventoryapi.Level{SKU: sku, OnHand: onHand, Reserved: reserved, Available: onHand - reserved}, l)
}

func (h *house) requireStatus(reference string, want status) {
	h.t.Helper()
	found, err := h.m.Reservations(context.Background(), []string{reference})
	require.NoError(h.t, err)
	require.Len(h.t, found, 1)
	require.Equal(h.t, string(want), found[0].Status)
}

func line(sku string, quantity int64) inventoryapi.Line {
	return inventoryapi.Line{SKU: sku, Quantity: quantity}
}

func reserve(reference string, lines ...inventoryapi.Line) inventoryapi.ReserveStock {
	return inventoryapi.ReserveStock{Reference: reference, Lines: lines, HoldSeconds: 600}
}

// Answers, as they are expected.
func reservedFor(reference string, hold time.Duration) any {
	return inventoryapi.StockReserved{Reference: reference, ExpiresAt: noon.Add(hold)}
}

func refusedFor(reference string, short ...inventoryapi.Shortage) any {
	return inventoryapi.StockRefused{Reference: reference, Shortages: orEmpty(short)}
}

func releasedFor(reference string) any { return inventoryapi.StockReleased{Reference: reference} }

func lost(reference string, short ...inventoryapi.Shortage) any {
	return inventoryapi.ReservationLost{Reference: reference, Shortages: orEmpty(short)}
}

func commitOf(reference string) bus.Body { return inventoryapi.CommitReservation{Reference: reference} }

func releaseOf(reference string) bus.Body { return inventoryapi.ReleaseStock{Reference: reference} }

func shipOf(reference string) bus.Body { return inventoryapi.ShipStock{Reference: reference} }

func reference(i int) string { return fmt.Sprintf("ord_%05d", i) }
