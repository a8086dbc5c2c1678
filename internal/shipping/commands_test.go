package shipping

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
	"shop/internal/shipping/shippingapi"
)

func cancelOf(reference string) shippingapi.CancelShipment {
	return shippingapi.CancelShipment{Reference: reference, Reason: "customer_request"}
}

func TestAShipmentIsCreatedAndSaysWhatWasAskedFor(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		require.Equal(t, "created", made.Status)
		require.Equal(t, order("ord_1").Lines, made.Lines)
		require.Equal(t, order("ord_1").Address, made.Address)
		require.Equal(t, made.CreatedAt, made.UpdatedAt)
		require.Nil(t, made.DispatchedAt)
		require.Equal(t, []string{"created " + made.ID}, s.story("ord_1"))
	})
}

func TestARepeatedCreationIsAnsweredWithTheFirstShipment(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		other := order("ord_1")
		other.Lines = []shippingapi.Line{{SKU: "OTHER", Quantity: 9}}
		s.send(t, order("ord_1"), order("ord_1"), other)
		s.settle(t)
		s.send(t, other)
		s.settle(t)
		made := s.only(t, "ord_1")
		require.Equal(t, order("ord_1").Lines, made.Lines)
		require.Equal(t, slices.Repeat([]string{"created " + made.ID}, 4), s.story("ord_1"))
	})
}

func TestACreationThatComesAfterDispatchIsStillAnswered(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		_, err := s.move(t.Context(), made.ID, dispatched, dhl)
		require.NoError(t, err)
		s.send(t, order("ord_1"))
		s.settle(t)
		require.Equal(t, []string{"created " + made.ID, "dispatched " + made.ID + " by DHL 42", "created " + made.ID}, s.story("ord_1"))
		require.Equal(t, "dispatched", s.only(t, "ord_1").Status)
	})
}

func TestACreatedShipmentIsCancelledAndStaysSo(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		s.send(t, cancelOf("ord_1"), cancelOf("ord_1"), order("ord_1"))
		s.settle(t)
		require.Equal(t, []string{"created " + made.ID, "cancelled", "cancelled"}, s.story("ord_1"))
		require.Equal(t, "cancelled", s.only(t, "ord_1").Status)
		require.NotNil(t, s.only(t, "ord_1").CancelledAt)
		_, err := s.move(t.Context(), made.ID, dispatched, dhl)
		require.ErrorIs(t, err, ErrIllegalTransition)
	})
}

func TestACancellationThatOvertakesTheCreationLeavesNoShipment(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.send(t, cancelOf("ord_1"))
		s.settle(t)
		s.send(t, order("ord_1"), cancelOf("ord_1"))
		s.send(t, cancelOf("ord_2"), order("ord_2"))
		s.settle(t)
		require.Equal(t, []string{"cancelled", "cancelled"}, s.story("ord_1"))
		require.Equal(t, []string{"cancelled"}, s.story("ord_2"))
		found, err := s.Shipments(t.Context(), []string{"ord_1", "ord_2"})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestACancellationThatComesTooLateSaysWhereTheParcelIs(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		for _, next := range []status{dispatched, delivered, returned} {
			_, err := s.move(t.Context(), made.ID, next, parcel{})
			require.NoError(t, err)
			s.send(t, cancelOf("ord_1"))
			s.settle(t)
			require.Contains(t, s.story("ord_1"), "not cancelled: "+string(next))
			require.Equal(t, string(next), s.only(t, "ord_1").Status)
		}
		require.NotContains(t, s.story("ord_1"), "cancelled")
	})
}

func TestACommandThatNobodyMaySendIsRefusedAloneOfItsBatch(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		job := func(alter func(c *shippingapi.CreateShipment)) func(context.Context, *sqldb.Tx) error {
			c := order("ord_1")
			alter(&c)
			return func(ctx context.Context, tx *sqldb.Tx) error { return s.create(ctx, tx, c) }
		}
		errs := together(t, s.db,
			job(func(c *shippingapi.CreateShipment) { c.Reference = "" }),
			job(func(c *shippingapi.CreateShipment) { c.Lines = nil }),
			job(func(c *shippingapi.CreateShipment) { c.Lines[1].Quantity = 0 }),
			job(func(c *shippingapi.CreateShipment) { c.Lines[1].SKU = "" }),
			func(ctx context.Context, tx *sqldb.Tx) error { return s.cancel(ctx, tx, cancelOf("")) },
			job(func(c *shippingapi.CreateShipment) { c.Reference = "ord_2" }))
		for _, err := range errs[:5] {
			require.ErrorIs(t, err, ErrInvalidCommand)
		}
		require.NoError(t, errs[5])
		found, err := s.Shipments(t.Context(), []string{"ord_1", "ord_2", ""})
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}

func TestJobsOfOneTransactionSeeEachOther(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		create := func(ref string) func(context.Context, *sqldb.Tx) error {
			return func(ctx context.Context, tx *sqldb.Tx) error { return s.create(ctx, tx, order(ref)) }
		}
		cancel := func(ref string) func(context.Context, *sqldb.Tx) error {
			return func(ctx context.Context, tx *sqldb.Tx) error { return s.cancel(ctx, tx, cancelOf(ref)) }
		}
		move := func(ref string, next status) func(context.Context, *sqldb.Tx) error {
			return func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := s.moveIn(ctx, tx, ref, next, parcel{})
				return err
			}
		}
		made := s.created(t, "ord_0")
		errs := together(t, s.db, create("ord_1"), cancel("ord_1"), create("ord_2"), move("ord_2", dispatched), cancel("ord_2"),
			cancel("ord_3"), create("ord_3"), cancel("ord_0"), move("ord_0", dispatched), create("ord_4"), move("ord_4", dispatched), move("ord_4", delivered))
		for i, err := range errs {
			if i == 8 {
				require.ErrorIs(t, err, ErrIllegalTransition)
				continue
			}
			require.NoError(t, err, i)
		}
		s.settle(t)
		two, four := s.only(t, "ord_2"), s.only(t, "ord_4")
		require.Equal(t, []string{"created " + made.ID, "cancelled"}, s.story("ord_0"))
		require.Equal(t, "cancelled", s.story("ord_1")[1])
		require.Equal(t, []string{"created " + two.ID, "dispatched " + two.ID + " by  ", "not cancelled: dispatched"}, s.story("ord_2"))
		require.Equal(t, []string{"cancelled"}, s.story("ord_3"))
		require.Equal(t, "delivered", four.Status)
		require.Equal(t, "cancelled", s.only(t, "ord_0").Status)
		require.Equal(t, "dispatched", two.Status)
	})
}

func TestABatchOfCommandsCostsOneStatementOfEachKind(t *testing.T) {
	db := dbtest.Open(t, "shipping", pgtest.NewDatabase(t)) // SQLite has no round trips to save
	transport := bus.NewMemory()
	require.NoError(t, transport.Join("caller", bus.Topic("shipping", bus.Event)))
	m := New(Needs{DB: db, Bus: transport, Clock: clock.System})
	batch := func(commands ...bus.Body) int64 {
		before := db.Stats().Statements.Load()
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			if err := prefetch(ctx, tx, commands); err != nil {
				return err
			}
			for _, c := range commands {
				var err error
				switch c := c.(type) {
				case shippingapi.CreateShipment:
					err = m.create(ctx, tx, c)
				case shippingapi.CancelShipment:
					err = m.cancel(ctx, tx, c)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
		return db.Stats().Statements.Load() - before
	}
	var creations, cancellations []bus.Body
	for _, ref := range references(100) {
		creations, cancellations = append(creations, order(ref)), append(cancellations, cancelOf(ref))
	}
	require.EqualValues(t, 3, batch(creations...), "read, outbox, insert")
	require.EqualValues(t, 3, batch(cancellations...), "read, outbox, update")
}
