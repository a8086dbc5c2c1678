package shipping

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

func TestOfACancellationAndADispatchExactlyOneWins(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		refs := references(100)
		creations := make([]bus.Body, len(refs))
		for i, ref := range refs {
			creations[i] = order(ref)
		}
		s.send(t, creations...)
		s.settle(t)
		made, err := s.Shipments(t.Context(), refs)
		require.NoError(t, err)
		require.Len(t, made, len(refs))

		outcomes := make([]error, len(made))
		var requests sync.WaitGroup
		for i, one := range made {
			by := []*Module{s.Module, s.replica}[i%2] // with another process, only the row itself can tell the two
			head := make(chan struct{})               // a cancellation has a longer way: some get a start
			requests.Go(func() {
				if err := s.publish(cancelOf(one.Reference)); err != nil {
					t.Error(err)
				}
				close(head)
			})
			requests.Go(func() {
				if i%4 < 3 {
					<-head
				}
				_, outcomes[i] = by.move(context.Background(), one.ID, dispatched, dhl)
			})
		}
		requests.Wait()
		s.settle(t)

		won := 0
		for i, one := range made {
			story := s.story(one.Reference)
			switch now := s.only(t, one.Reference).Status; now {
			case "dispatched":
				won++
				require.NoError(t, outcomes[i])
				require.ElementsMatch(t, []string{"created " + one.ID, "dispatched " + one.ID + " by DHL 42", "not cancelled: dispatched"}, story)
			case "cancelled":
				require.ErrorIs(t, outcomes[i], ErrIllegalTransition)
				require.Equal(t, []string{"created " + one.ID, "cancelled"}, story)
			default:
				require.Fail(t, "neither won", now)
			}
		}
		t.Logf("%d dispatched, %d cancelled", won, len(made)-won)
	})
}

// The interleaving that a race seldom hits: between one process's read and its write, another one commits. SQLite lets only one of them begin.
func TestWhoDecidedOnARowThatChangedDecidesAgain(t *testing.T) {
	url := pgtest.NewDatabase(t)
	transport := bus.NewMemory()
	require.NoError(t, transport.Join("caller", bus.Topic("shipping", bus.Event)))
	here := New(Needs{DB: dbtest.Open(t, "shipping", url), Bus: transport, Clock: clock.System})
	there := New(Needs{DB: dbtest.Open(t, "shipping", url), Bus: transport, Clock: clock.System})
	// meanwhile does something elsewhere when a command here has read, and not written
	meanwhile := func(command, elsewhere func(ctx context.Context, m *Module, tx *sqldb.Tx) error) (attempts int) {
		require.NoError(t, here.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			attempts++
			if _, err := shipmentOf(ctx, tx, "ord_1"); err != nil {
				return err
			}
			if attempts == 1 {
				if err := there.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error { return elsewhere(ctx, there, tx) }); err != nil {
					return err
				}
			}
			return command(ctx, here, tx)
		}))
		return attempts
	}
	create := func(ctx context.Context, m *Module, tx *sqldb.Tx) error { return m.create(ctx, tx, order("ord_1")) }
	dispatch := func(ctx context.Context, m *Module, tx *sqldb.Tx) error {
		_, err := m.moveIn(ctx, tx, "ord_1", dispatched, dhl)
		return err
	}
	cancel := func(ctx context.Context, m *Module, tx *sqldb.Tx) error { return m.cancel(ctx, tx, cancelOf("ord_1")) }

	require.Equal(t, 2, meanwhile(create, create))
	require.Equal(t, 2, meanwhile(cancel, dispatch))
	waiting, err := bus.Outbox(t.Context(), here.db, 0, 100)
	require.NoError(t, err)
	var types, created []string
	for _, w := range waiting {
		types = append(types, w.Type)
		if w.Type == "shop.shipping.shipment.created.v1" {
			created = append(created, w.Body)
		}
	}
	require.Equal(t, []string{
		"shop.shipping.shipment.created.v1", "shop.shipping.shipment.created.v1", // one shipment, two answers
		"shop.shipping.shipment.dispatched.v1", "shop.shipping.shipment.not_cancelled.v1",
	}, types)
	require.Len(t, slices.Compact(created), 1)
}

func TestOfManyDispatchesOfDifferentParcelsOneWins(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		outcomes := make([]error, 20)
		var dispatches sync.WaitGroup
		for i := range outcomes {
			by := []*Module{s.Module, s.replica}[i%2]
			dispatches.Go(func() {
				_, outcomes[i] = by.move(context.Background(), made.ID, dispatched, parcel{"DHL", fmt.Sprint(i)})
			})
		}
		dispatches.Wait()
		s.settle(t)
		winner := -1
		for i, err := range outcomes {
			if err == nil {
				require.Equal(t, -1, winner, "two won")
				winner = i
				continue
			}
			require.ErrorIs(t, err, ErrIllegalTransition)
		}
		require.Equal(t, []string{"created " + made.ID, fmt.Sprintf("dispatched %s by DHL %d", made.ID, winner)}, s.story("ord_1"))
	})
}

func TestOfTheSameDispatchManyTimesEverybodyIsToldOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		made := s.created(t, "ord_1")
		var dispatches sync.WaitGroup
		for i := range 20 {
			by := []*Module{s.Module, s.replica}[i%2]
			dispatches.Go(func() {
				if got, err := by.move(context.Background(), made.ID, dispatched, dhl); err != nil || got.Status != "dispatched" {
					t.Errorf("got %v, %v", got.Status, err)
				}
			})
		}
		dispatches.Wait()
		s.settle(t)
		require.Equal(t, []string{"created " + made.ID, "dispatched " + made.ID + " by DHL 42"}, s.story("ord_1"))
	})
}

// Whatever comes in whatever order and however often, what is stored and what is told agree.
func TestARandomHistoryBreaksNoInvariant(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	onStage(t, func(t *testing.T, s *stage) {
		refs := references(8)
		var people sync.WaitGroup
		for person := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(person)))
			people.Go(func() {
				for range 40 {
					ref := refs[random.IntN(len(refs))]
					switch random.IntN(8) {
					case 0, 1:
						if err := s.publish(order(ref)); err != nil {
							t.Error(err)
						}
					case 2:
						if err := s.publish(cancelOf(ref)); err != nil {
							t.Error(err)
						}
					default:
						found, err := s.Shipments(context.Background(), []string{ref})
						if err != nil || len(found) == 0 {
							continue
						}
						next := []status{dispatched, dispatched, delivered, returned}[random.IntN(4)]
						by := []*Module{s.Module, s.replica}[random.IntN(2)]
						if _, err := by.move(context.Background(), found[0].ID, next, dhl); err != nil && !errors.Is(err, ErrIllegalTransition) {
							t.Errorf("%s to %s: %v", ref, next, err)
						}
					}
				}
			})
		}
		people.Wait()
		s.settle(t)
		for _, ref := range refs {
			s.requireOneStory(t, ref)
		}
	})
}

// requireOneStory checks what was heard of a reference against what is stored.
func (s *stage) requireOneStory(t *testing.T, reference string) {
	t.Helper()
	told := map[string]int{}
	ids := map[string]bool{}
	for _, line := range s.story(reference) {
		var verb, shipmentID string
		_, _ = fmt.Sscan(line, &verb, &shipmentID)
		told[verb]++
		if len(shipmentID) > 0 && verb != "not" {
			ids[shipmentID] = true
		}
	}
	require.LessOrEqual(t, len(ids), 1, "one shipment")
	for _, once := range []string{"dispatched", "delivered", "returned"} {
		require.LessOrEqual(t, told[once], 1, once)
	}
	require.False(t, told["cancelled"] > 0 && told["dispatched"] > 0, "both won: %v", s.story(reference))
	found, err := s.Shipments(t.Context(), []string{reference})
	require.NoError(t, err)
	if len(found) == 0 {
		require.Zero(t, told["created"])
		return
	}
	require.Equal(t, found[0].DispatchedAt != nil, told["dispatched"] == 1)
	require.Equal(t, found[0].DeliveredAt != nil, told["delivered"] == 1)
	require.Equal(t, found[0].ReturnedAt != nil, told["returned"] == 1)
	require.Equal(t, found[0].CancelledAt != nil, told["cancelled"] > 0)
}
