package inventory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// overtaken runs a job of one instance that has read and decided when the other instance does its job from beginning to end. It returns
// how often the first was run, and its outcome.
func overtaken(t *testing.T, slow *house, slowly job, fast *house, quickly job) (runs int, err error) {
	err = slow.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		err := slowly(ctx, tx)
		if runs++; runs == 1 {
			require.NoError(t, fast.db.Write(t.Context(), "", quickly))
		}
		return err
	})
	return runs, err
}

// inTwoInstances runs the test with two instances on one database.
func inTwoInstances(t *testing.T, test func(t *testing.T, a, b *house)) {
	cfg := sqldb.Config{Context: "inventory", URL: pgtest.NewDatabase(t)}
	a, b := newHouse(t, dbtest.OpenWith(t, cfg)), newHouse(t, dbtest.OpenWith(t, cfg))
	test(t, a, b)
	a.requireSound()
}

func TestACommitThatAReleaseOvertakesIsLost(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 5)
		a.tell(reserve("ord_1", line("MUG", 4)))
		runs, err := overtaken(t, a, a.handle(commitOf("ord_1")), b, b.handle(releaseOf("ord_1")))
		require.NoError(t, err)
		require.Equal(t, 2, runs)
		require.Equal(t, []any{releasedFor("ord_1"), lost("ord_1")}, a.published())
		a.requireLevel("MUG", 5, 0)
	})
}

func TestAReservationThatItsTwinOvertakesGetsTheSameAnswer(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 5)
		b.clock.Advance(time.Minute)
		c := reserve("ord_1", line("MUG", 2))
		runs, err := overtaken(t, a, a.handle(c), b, b.handle(c))
		require.NoError(t, err)
		require.Equal(t, 2, runs)
		require.Equal(t, []any{reservedFor("ord_1", 11*time.Minute), reservedFor("ord_1", 11*time.Minute)}, a.published())
		a.requireLevel("MUG", 5, 2)
	})
}

func TestAReservationIsRefusedWhenAnotherTookTheStockMeanwhile(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 5)
		runs, err := overtaken(t, a, a.handle(reserve("ord_1", line("MUG", 3))), b, b.handle(reserve("ord_2", line("MUG", 3))))
		require.NoError(t, err)
		require.Equal(t, 2, runs)
		require.Equal(t, []any{reservedFor("ord_2", 10*time.Minute), refusedFor("ord_1", inventoryapi.Shortage{SKU: "MUG", Requested: 3, Available: 2})}, a.published())
		a.requireLevel("MUG", 5, 3)
	})
}

func TestReservationsOfStockThatIsNotScarceDoNotDisturbEachOther(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 6)
		runs, err := overtaken(t, a, a.handle(reserve("ord_1", line("MUG", 3))), b, b.handle(reserve("ord_2", line("MUG", 3))))
		require.NoError(t, err)
		require.Equal(t, 1, runs, "what was decided still holds")
		a.requireLevel("MUG", 6, 6)
	})
}

func TestAMovementIsRefusedWhenTheStockWasReservedMeanwhile(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 5)
		damaged := func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := move(ctx, tx, []movement{newMovement("MUG", -3, reasonDamaged, "", noon)}, noon, func(int, string) string { return "body.quantity" })
			return err
		}
		runs, err := overtaken(t, a, damaged, b, b.handle(reserve("ord_1", line("MUG", 3))))
		require.ErrorIs(t, err, ErrInsufficientStock)
		require.Equal(t, 2, runs)
		a.requireLevel("MUG", 5, 3)
	})
}

func TestGoodsOfANewSKUReceivedTwiceAtOnceAllCount(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		received := func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := move(ctx, tx, []movement{newMovement("MUG", 3, reasonReceived, "", noon)}, noon, nil)
			return err
		}
		runs, err := overtaken(t, a, received, b, received)
		require.NoError(t, err)
		require.Equal(t, 1, runs)
		a.requireLevel("MUG", 6, 0)
	})
}

func TestAReservationThatWasExtendedMeanwhileDoesNotExpire(t *testing.T) {
	inTwoInstances(t, func(t *testing.T, a, b *house) {
		a.receive("MUG", 5)
		a.tell(reserve("ord_1", line("MUG", 3)))
		for _, h := range []*house{a, b} {
			h.clock.Advance(time.Hour)
		}
		require.NoError(t, a.m.sweep(t.Context()))
		for _, h := range []*house{a, b} {
			h.clock.Advance(time.Minute)
		}
		a.published()
		lapse := func(ctx context.Context, tx *sqldb.Tx) error { return a.m.lapse(ctx, tx, "ord_1") }
		runs, err := overtaken(t, a, lapse, b, b.handle(inventoryapi.ExtendReservation{Reference: "ord_1", HoldSeconds: 60}))
		require.NoError(t, err)
		require.Equal(t, 2, runs)
		require.Empty(t, a.published())
		a.requireStatus("ord_1", held)
		a.requireLevel("MUG", 5, 3)
	})
}
