package inventory

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/sqldb"
)

func TestAReservationHoldsAllItsLines(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.receive("CUP", 5)
		got := h.tell(reserve("ord_1", line("MUG", 3), line("CUP", 5), line("MUG", 1)))
		require.Equal(t, []any{reservedFor("ord_1", 10*time.Minute)}, got)
		h.requireLevel("MUG", 10, 4)
		h.requireLevel("CUP", 5, 5)
		found, err := h.m.Reservations(t.Context(), []string{"ord_1", "ord_2"})
		require.NoError(t, err)
		require.Equal(t, []inventoryapi.Reservation{{Reference: "ord_1", Status: "held", Lines: []inventoryapi.Line{line("CUP", 5), line("MUG", 4)}}}, found)
	})
}

func TestAReservationIsRefusedWhenStockIsShort(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.receive("CUP", 5)
		h.tell(reserve("ord_1", line("CUP", 2)))
		got := h.tell(reserve("ord_2", line("MUG", 1), line("CUP", 2), line("JUG", 1), line("CUP", 2)))
		require.Equal(t, []any{refusedFor("ord_2",
			inventoryapi.Shortage{SKU: "CUP", Requested: 4, Available: 3}, inventoryapi.Shortage{SKU: "JUG", Requested: 1})}, got)
		h.requireLevel("MUG", 10, 0)
		h.requireLevel("CUP", 5, 2)
		h.requireStatus("ord_2", refused)
	})
}

func TestTheSameReferenceGetsTheSameAnswerAgain(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		taken, short := reserve("ord_1", line("MUG", 8)), reserve("ord_2", line("MUG", 8))
		first := h.tell(taken, short)
		require.Equal(t, []any{reservedFor("ord_1", 10*time.Minute), refusedFor("ord_2", inventoryapi.Shortage{SKU: "MUG", Requested: 8, Available: 2})}, first)
		h.receive("MUG", 100)
		h.clock.Advance(time.Minute)
		require.Equal(t, first, h.tell(taken, short))
		h.requireLevel("MUG", 110, 8)
		h.tell(commitOf("ord_1"))
		require.Equal(t, first, h.tell(taken, short), "whatever happened to it since")
		h.requireLevel("MUG", 110, 8)
	})
}

func TestTheJobsOfABatchSeeWhatItsEarlierJobsDid(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 5)
		refusal := errors.New("refused")
		before := h.db.Stats().Commits.Load()
		errs := h.together(
			h.handle(reserve("ord_1", line("MUG", 3))),
			func(ctx context.Context, tx *sqldb.Tx) error { // takes the rest, and fails
				require.NoError(t, h.handle(reserve("ord_2", line("MUG", 2)))(ctx, tx))
				return refusal
			},
			h.handle(reserve("ord_3", line("MUG", 2))),
			h.handle(reserve("ord_4", line("MUG", 1))),
			h.handle(releaseOf("ord_1")),
			func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := move(ctx, tx, []movement{newMovement("MUG", -1, reasonDamaged, "", noon)}, noon, nil)
				return err
			},
			h.handle(reserve("ord_5", line("MUG", 2))),
			h.handle(reserve("ord_6", line("MUG", 1))),
			h.handle(commitOf("ord_5")),
			h.handle(shipOf("ord_5")),
		)
		require.Equal(t, []error{nil, refusal, nil, nil, nil, nil, nil, nil, nil, nil}, errs)
		require.Equal(t, before+2, h.db.Stats().Commits.Load(), "one for the job that let the others wait, one for them")
		require.Equal(t, []any{
			reservedFor("ord_1", 10*time.Minute), reservedFor("ord_3", 10*time.Minute),
			refusedFor("ord_4", inventoryapi.Shortage{SKU: "MUG", Requested: 1, Available: 0}), releasedFor("ord_1"),
			reservedFor("ord_5", 10*time.Minute), refusedFor("ord_6", inventoryapi.Shortage{SKU: "MUG", Requested: 1, Available: 0}),
		}, h.published())
		h.requireLevel("MUG", 2, 2)
		h.requireStatus("ord_5", shipped)
		found, err := h.m.Reservations(t.Context(), []string{"ord_2"})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestTheHoldIsTheCallersOrTheDefault(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		c := reserve("ord_1", line("MUG", 1))
		c.HoldSeconds = 0
		require.Equal(t, []any{reservedFor("ord_1", 15*time.Minute)}, h.tell(c))
		c.Reference, c.HoldSeconds = "ord_2", 1<<62
		require.Equal(t, []any{reservedFor("ord_2", longestHold)}, h.tell(c))
		c.Reference, c.HoldSeconds = "ord_3", -1
		require.ErrorIs(t, h.db.Write(t.Context(), "", h.handle(c)), ErrInvalidHold)
	})
}

func TestLinesThatMakeNoSenseAreAnError(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		for name, lines := range map[string][]inventoryapi.Line{
			"none": nil, "no SKU": {line("", 1)}, "a SKU that cannot be": {line("MUG\x00", 1)}, "zero": {line("MUG", 0)},
			"negative": {line("MUG", 2), line("MUG", -1)}, "overflow": {line("MUG", 1<<62), line("MUG", 1<<62)},
		} {
			c := reserve("ord_1", lines...)
			require.ErrorIs(t, h.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				require.NoError(t, prefetchForReserve(ctx, tx, []inventoryapi.ReserveStock{c}), name)
				return h.handle(c)(ctx, tx)
			}), ErrInvalidLines, name)
		}
		require.Empty(t, h.published())
		h.requireLevel("MUG", 10, 0)
	})
}
