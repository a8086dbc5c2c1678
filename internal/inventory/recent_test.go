package inventory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

func TestReservationsAreRememberedOnceAndTheOldestAreForgotten(t *testing.T) {
	c := newRecent()
	for i := range 3 * recentSize {
		c.put(reservation{reference: fmt.Sprint(i), status: held})
	}
	_, known := c.take("0")
	require.False(t, known, "of the first there is nothing left")
	r, known := c.take(fmt.Sprint(3*recentSize - 1))
	require.True(t, known)
	require.Equal(t, held, r.status)
	_, known = c.take(r.reference)
	require.False(t, known, "it is about to change")
	require.LessOrEqual(t, c.made.Len(), 2*recentSize)

	c.put(reservation{reference: "many", lines: make([]inventoryapi.Line, recentLines+1)})
	_, known = c.take("many")
	require.False(t, known)
}

// assuming is the job as the consumer hands it over while all goes as usual.
func (h *house) assuming(c inventoryapi.CommitReservation) sqldb.Job {
	commands := []inventoryapi.CommitReservation{c}
	kind := &sqldb.Kind{
		Name:    "commit",
		Prepare: func(ctx context.Context, tx *sqldb.Tx, _ []any) error { return prefetch(ctx, tx, commands) },
		Assume:  func(_ context.Context, tx *sqldb.Tx, _ []any) error { h.m.assumeHeld(tx, commands); return nil },
	}
	return sqldb.Job{Kind: kind, Arg: c, Run: h.handle(c)}
}

func TestWhatWasReservedHereIsCommittedWithoutReadingIt(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 5)
		h.tell(reserve("ord_1", line("MUG", 4)))
		before := h.db.Stats().Statements.Load()
		require.NoError(t, h.db.Do(t.Context(), h.assuming(inventoryapi.CommitReservation{Reference: "ord_1"})))
		require.EqualValues(t, 1, h.db.Stats().Statements.Load()-before)
		require.Zero(t, h.db.Stats().Wrong.Load())
		h.requireStatus("ord_1", committed)
		h.requireLevel("MUG", 5, 4)
	})
}

func TestThatAReservationChangedSinceItWasMadeHereIsFoundOut(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 5)
		h.tell(reserve("ord_1", line("MUG", 4)))
		newHouse(t, h.db).tell(releaseOf("ord_1")) // another replica
		h.published()
		require.NoError(t, h.db.Do(t.Context(), h.assuming(inventoryapi.CommitReservation{Reference: "ord_1"})))
		require.EqualValues(t, 1, h.db.Stats().Wrong.Load())
		require.Equal(t, []any{lost("ord_1")}, h.published())
		h.requireLevel("MUG", 5, 0)
	})
}
