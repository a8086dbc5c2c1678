package inventory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/id"
)

func TestACommittedReservationShips(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.receive("CUP", 10)
		h.tell(reserve("ord_1", line("MUG", 3), line("CUP", 1)))
		require.Empty(t, h.tell(commitOf("ord_1"), commitOf("ord_1"))) // there is no answer
		h.requireLevel("MUG", 10, 3)
		require.Empty(t, h.tell(shipOf("ord_1"), shipOf("ord_1"), commitOf("ord_1")))
		h.requireLevel("MUG", 7, 0)
		h.requireLevel("CUP", 9, 0)
		h.requireStatus("ord_1", shipped)
		moves, err := h.m.movementsBefore(t.Context(), "MUG", "", 10)
		require.NoError(t, err)
		require.Len(t, moves, 2)
		require.Contains(t, moves, movement{SKU: "MUG", ID: moves[0].ID, Quantity: -3, Reason: reasonShipped, Reference: "ord_1", RecordedAt: noon.UnixMicro()})
	})
}

func TestOnlyACommittedReservationShips(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("held", line("MUG", 1)), reserve("released", line("MUG", 1)), releaseOf("released"), reserve("refused", line("MUG", 100)))
		for _, reference := range []string{"held", "released", "refused", "unheard of"} {
			require.ErrorIs(t, h.db.Write(t.Context(), "", h.handle(shipOf(reference))), ErrIllegalTransition, reference)
		}
		h.requireLevel("MUG", 10, 1)
	})
}

func TestAReleaseGivesTheStockBack(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)), reserve("ord_2", line("MUG", 4)), commitOf("ord_2"))
		h.requireLevel("MUG", 10, 7)
		require.Equal(t, []any{releasedFor("ord_1"), releasedFor("ord_2"), releasedFor("ord_2")}, h.tell(releaseOf("ord_1"), releaseOf("ord_2"), releaseOf("ord_2")))
		h.requireLevel("MUG", 10, 0)
		h.requireStatus("ord_2", released)
	})
}

func TestAReleaseOfWhatHoldsNothingIsAnsweredToo(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("shipped", line("MUG", 1)), commitOf("shipped"), shipOf("shipped"), reserve("refused", line("MUG", 100)))
		require.Equal(t, []any{releasedFor("shipped"), releasedFor("refused")}, h.tell(releaseOf("shipped"), releaseOf("refused")))
		h.requireStatus("shipped", shipped)
		h.requireStatus("refused", refused)
		h.requireLevel("MUG", 9, 0)
	})
}

func TestAReservationThatComesAfterItsReleaseIsRefused(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		require.Equal(t, []any{releasedFor("ord_1")}, h.tell(releaseOf("ord_1")))
		require.Equal(t, []any{refusedFor("ord_1")}, h.tell(reserve("ord_1", line("MUG", 1))))
		h.requireStatus("ord_1", released)
		h.requireLevel("MUG", 10, 0)
		require.Equal(t, []any{releasedFor("ord_1")}, h.tell(releaseOf("ord_1")))
	})
}

func TestACommitOfWhatHoldsNothingIsAnsweredWithLost(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("released", line("MUG", 1)), releaseOf("released"), reserve("refused", line("MUG", 100)))
		require.Equal(t, []any{lost("released"), lost("refused"), lost("unheard of")},
			h.tell(commitOf("released"), commitOf("refused"), commitOf("unheard of")))
		h.requireLevel("MUG", 10, 0)
	})
}

func TestOnlyTheTransitionsOfTheTableAreLegal(t *testing.T) {
	all := []status{none, held, committed, shipped, released, expired, refused}
	legal := map[[2]status]bool{
		{none, held}: true, {none, refused}: true, {none, released}: true, {held, committed}: true, {held, released}: true, {held, expired}: true,
		{committed, shipped}: true, {committed, released}: true, {expired, committed}: true, {expired, released}: true,
	}
	for _, from := range all {
		for _, to := range all {
			before := reservation{reference: "ord_1", status: from}
			after, err := before.become(to, noon)
			if legal[[2]status{from, to}] {
				require.NoError(t, err, "%s to %s", from, to)
				require.Equal(t, to, after.status)
				require.Equal(t, noon, after.updatedAt)
				continue
			}
			require.ErrorIs(t, err, ErrIllegalTransition, "%s to %s", from, to)
			require.Equal(t, before, after)
		}
	}
}

func TestAReservationLapses(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)), reserve("sold", line("MUG", 1)), commitOf("sold"))
		sweepAt := func(at time.Duration) []any {
			h.clock.Advance(noon.Add(at).Sub(h.clock.Now()))
			require.NoError(t, h.m.sweep(t.Context()))
			return h.published()
		}
		require.Empty(t, sweepAt(10*time.Minute-time.Microsecond))
		require.Equal(t, []any{inventoryapi.ReservationExpiring{Reference: "ord_1"}}, sweepAt(10*time.Minute))
		require.Empty(t, sweepAt(10*time.Minute+15*time.Second-time.Microsecond), "asked once")
		h.requireStatus("ord_1", held)
		require.Equal(t, []any{inventoryapi.ReservationExpired{Reference: "ord_1"}}, sweepAt(10*time.Minute+15*time.Second))
		h.requireStatus("ord_1", expired)
		h.requireLevel("MUG", 10, 1)
		require.Empty(t, sweepAt(time.Hour))
	})
}

func TestAnExtensionKeepsAReservationFromLapsing(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)))
		h.clock.Advance(10 * time.Minute)
		require.NoError(t, h.m.sweep(t.Context()))
		require.Len(t, h.published(), 1)
		require.Empty(t, h.tell(inventoryapi.ExtendReservation{Reference: "ord_1", HoldSeconds: 60}))
		h.clock.Advance(59 * time.Second)
		require.NoError(t, h.m.sweep(t.Context()))
		require.Empty(t, h.published())
		h.clock.Advance(time.Second)
		require.NoError(t, h.m.sweep(t.Context()))
		require.Equal(t, []any{inventoryapi.ReservationExpiring{Reference: "ord_1"}}, h.published(), "it is asked again")
		h.requireLevel("MUG", 10, 3)
	})
}

func TestAnExtensionOfWhatIsNotHeldHasNoEffect(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)), releaseOf("ord_1"))
		require.Empty(t, h.tell(inventoryapi.ExtendReservation{Reference: "ord_1", HoldSeconds: 60}, inventoryapi.ExtendReservation{Reference: "unheard of", HoldSeconds: 60}))
		h.requireStatus("ord_1", released)
		require.ErrorIs(t, h.db.Write(t.Context(), "", h.handle(inventoryapi.ExtendReservation{Reference: "ord_1", HoldSeconds: -1})), ErrInvalidHold)
	})
}

func (h *house) letLapse() {
	h.t.Helper()
	h.lapse(time.Hour)
}

// lapse lets the time pass twice: once for the question, and once for what nobody answered.
func (h *house) lapse(d time.Duration) {
	h.t.Helper()
	for range 2 {
		h.clock.Advance(d)
		require.NoError(h.t, h.m.sweep(h.t.Context()))
	}
	h.published()
}

func TestACommitAfterTheExpiryTakesTheStockAgain(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)))
		h.letLapse()
		h.requireLevel("MUG", 10, 0)
		require.Empty(t, h.tell(commitOf("ord_1")))
		h.requireStatus("ord_1", committed)
		h.requireLevel("MUG", 10, 3)
	})
}

func TestAReservationIsLostWhenTheStockIsGoneAfterTheExpiry(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)))
		h.letLapse()
		h.tell(reserve("ord_2", line("MUG", 8)))
		require.Equal(t, []any{lost("ord_1", inventoryapi.Shortage{SKU: "MUG", Requested: 3, Available: 2})}, h.tell(commitOf("ord_1")))
		h.requireStatus("ord_1", expired)
		h.requireLevel("MUG", 10, 8)
		h.tell(releaseOf("ord_2"), releaseOf("ord_1"))
		require.Equal(t, []any{lost("ord_1")}, h.tell(commitOf("ord_1")), "given up for good")
		h.requireLevel("MUG", 10, 0)
	})
}

func TestAReservationWhoseOwnerWasAskedLateHasItsGraceAllTheSame(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		h.tell(inventoryapi.ReserveStock{Reference: "ord_1", Lines: []inventoryapi.Line{line("MUG", 3)}, HoldSeconds: 1})
		h.clock.Advance(20 * time.Second) // nobody swept meanwhile
		require.NoError(t, h.m.sweep(t.Context()))
		h.clock.Advance(h.m.grace - time.Second)
		found, err := h.m.Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		h.clock.Advance(overdue)
		found, err = h.m.Audit(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1, "nobody sweeps any more")
		h.letLapse()
	})
}

func (h *house) requireMarked(want bool, reference string) {
	h.t.Helper()
	var marked bool
	require.NoError(h.t, h.db.Get(context.Background(), &marked, `SELECT overdue FROM reservations WHERE reference = $1`, reference))
	require.Equal(h.t, want, marked, reference)
}

func TestAReservationCommittedInTimeIsNeverMarkedAndOneLeftBehindIsFoundByARound(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		through, left := id.At("ord", noon), id.At("ord", noon.Add(time.Millisecond))
		h.tell(reserve(through, line("MUG", 1)), reserve(left, line("MUG", 2)), commitOf(through))
		h.clock.Advance(usually)
		require.NoError(t, h.m.sweep(t.Context()))
		h.requireMarked(false, left)
		h.clock.Advance(time.Second)
		require.NoError(t, h.m.sweep(t.Context()))
		h.requireMarked(true, left)
		h.requireMarked(false, through)
		require.Empty(t, h.published(), "its time is not up")
		h.clock.Advance(h.m.hold - usually - time.Second)
		require.NoError(t, h.m.sweep(t.Context()))
		require.Equal(t, []any{inventoryapi.ReservationExpiring{Reference: left}}, h.published())
		h.clock.Advance(h.m.grace)
		require.NoError(t, h.m.sweep(t.Context()))
		h.requireStatus(left, expired)
		h.requireMarked(false, left)
		h.requireMarked(false, through)
		h.requireLevel("MUG", 10, 1)
	})
}

func TestAReservationThatNoRoundWouldFindInTimeIsMarkedFromTheStart(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		for i, c := range []struct {
			reference string
			seconds   int64
			marked    bool
		}{
			{id.At("ord", noon.Add(4*time.Second)), 0, false},
			{id.At("ord", noon.Add(-4*time.Second)), 66, false},
			{id.At("ord", noon.Add(3*time.Second)), 64, true},
			{id.At("ord", noon.Add(-6*time.Second)), 0, true},
			{id.At("ord", noon.Add(6*time.Second)), 0, true},
			{id.At("basket", noon), 0, true},
			{"ord_1", 0, true},
		} {
			h.tell(inventoryapi.ReserveStock{Reference: c.reference, Lines: []inventoryapi.Line{line("MUG", 1)}, HoldSeconds: c.seconds})
			h.requireMarked(c.marked, c.reference)
			h.requireLevel("MUG", 10, int64(i+1))
		}
	})
}

func TestASweepTakesMoreThanOnePage(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10_000)
		var jobs []job
		for i := range sweepPage + 3 {
			jobs = append(jobs, h.handle(reserve(reference(i), line("MUG", 2))))
		}
		for len(jobs) > 0 { // no more than wait in a lane's queue
			n := min(len(jobs), 200)
			for _, err := range h.together(jobs[:n]...) {
				require.NoError(t, err)
			}
			jobs = jobs[n:]
		}
		h.requireLevel("MUG", 10_000, 2*(sweepPage+3))
		h.letLapse()
		h.requireLevel("MUG", 10_000, 0)
	})
}

func TestAReservationWhoseTimeEndedWhileNoProcessRanIsFoundByTheNext(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.clock.Advance(time.Since(h.clock.Now()))
		h.receive("MUG", 10)
		h.tell(reserve("ord_1", line("MUG", 3)))
		require.NoError(t, h.m.sweep(t.Context()))
		h.published()
		h.clock.Advance(7 * 24 * time.Hour)
		next := newHouse(t, h.db)
		next.clock.Advance(h.clock.Now().Sub(next.clock.Now()))
		require.NoError(t, next.m.sweep(t.Context()))
		require.Equal(t, []any{inventoryapi.ReservationExpiring{Reference: "ord_1"}}, next.published())
		next.clock.Advance(15 * time.Second)
		require.NoError(t, next.m.sweep(t.Context()))
		next.requireStatus("ord_1", expired)
	})
}
