package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// market is inventory as the rest of the house sees it: commands in, events out.
type market struct {
	*house
	bus *bus.Memory

	mu    sync.Mutex
	heard map[string]any // by reference, the last event
	rang  chan struct{}  // something was heard
}

// newMarket starts an instance on each database.
func newMarket(t *testing.T, dbs ...*sqldb.DB) *market {
	transport := bus.NewMemory()
	c := clock.NewFake(noon)
	k := &market{bus: transport, heard: map[string]any{}, rang: make(chan struct{}, 1)}
	sub, err := transport.Subscriber("orders")
	require.NoError(t, err)
	events, err := sub.Subscribe(context.Background(), bus.Topic("inventory", bus.Event))
	require.NoError(t, err)
	var listening sync.WaitGroup
	listening.Go(func() { k.listen(t, events) })
	var modules []*Module
	for _, db := range dbs {
		modules = append(modules, New(Needs{DB: db, Bus: transport, Log: zap.NewNop(), Clock: c, Sweep: 5 * time.Millisecond}))
	}
	k.house = &house{t, dbs[0], c, modules[0]}
	for _, m := range modules {
		require.NoError(t, m.Start(t.Context()))
	}
	t.Cleanup(func() {
		for _, m := range modules {
			require.NoError(t, m.Stop(context.Background()))
		}
		require.NoError(t, transport.Close())
		listening.Wait()
	})
	return k
}

func (k *market) listen(t *testing.T, events <-chan *message.Message) {
	for msg := range events {
		e := decodeEvent(t, msg.Metadata.Get("ce_type"), msg.Payload)
		k.mu.Lock()
		k.heard[msg.Metadata.Get("ce_subject")] = e
		k.mu.Unlock()
		msg.Ack()
		select {
		case k.rang <- struct{}{}:
		default:
		}
	}
}

// send publishes commands and waits until each has been applied.
func (k *market) send(commands ...bus.Body) {
	k.t.Helper()
	for len(commands) > 0 {
		n := min(len(commands), 4000) // the queue is bounded
		messages := make([]*message.Message, n)
		for i, c := range commands[:n] {
			body, err := json.Marshal(c)
			require.NoError(k.t, err)
			messages[i] = message.NewMessage(fmt.Sprintf("%s-%T", c.MessageKey(), c), body)
			messages[i].Metadata = message.Metadata{"ce_id": messages[i].UUID, "ce_type": c.MessageType().String(), "ce_subject": c.MessageKey()}
		}
		require.NoError(k.t, k.bus.Publish(commands[0].MessageType().Topic(), messages...))
		commands = commands[n:]
	}
}

// await waits until what was heard satisfies the condition.
func (k *market) await(condition func(heard map[string]any) bool) {
	k.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		k.mu.Lock()
		ok := condition(k.heard)
		k.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-k.rang:
		case <-deadline:
			require.Fail(k.t, "not heard in time", "%d events", len(k.heard))
		}
	}
}

func (k *market) tally() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	count := map[string]int{}
	for _, e := range k.heard {
		count[fmt.Sprintf("%T", e)]++
	}
	return count
}

// sellOut lets 4,000 buyers come for 100 units at once. (Ten thousand meet the whole program, in internal/e2e.)
func sellOut(t *testing.T, dbs ...*sqldb.DB) {
	const buyers, units = 4_000, 100
	k := newMarket(t, dbs...)
	k.receive("TICKET", units)
	commands := make([]bus.Body, buyers)
	for i := range commands {
		commands[i] = reserve(reference(i), line("TICKET", 1))
	}
	k.send(commands...)
	k.await(func(heard map[string]any) bool { return len(heard) == buyers })
	require.Equal(t, map[string]int{"inventoryapi.StockReserved": units, "inventoryapi.StockRefused": buyers - units}, k.tally())
	k.requireLevel("TICKET", units, units)

	var sold []bus.Body
	for ref, e := range k.heard { // everything is quiet now
		if _, ok := e.(inventoryapi.StockReserved); ok {
			sold = append(sold, commitOf(ref))
		}
	}
	k.send(sold...)
	for i, c := range sold {
		sold[i] = shipOf(c.MessageKey())
	}
	k.send(sold...)
	k.requireLevel("TICKET", 0, 0)
	k.requireSound()
}

func TestFourThousandBuyersOfAHundredUnitsGetExactlyThese(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		sellOut(t, dbtest.OpenWith(t, sqldb.Config{Context: "inventory", URL: url, Lanes: 4}))
	})
}

func TestTwoInstancesOnOneDatabaseSellNoUnitTwice(t *testing.T) {
	url := pgtest.NewDatabase(t)
	cfg := sqldb.Config{Context: "inventory", URL: url, Lanes: 4}
	sellOut(t, dbtest.OpenWith(t, cfg), dbtest.OpenWith(t, cfg))
}

func TestTheLeaderLetsReservationsLapse(t *testing.T) {
	dbtest.Each(t, "inventory", func(t *testing.T, db *sqldb.DB) {
		k := newMarket(t, db)
		k.receive("MUG", 10)
		last := func(want any) func(map[string]any) bool {
			return func(heard map[string]any) bool { return heard["ord_1"] == want }
		}
		k.send(reserve("ord_1", line("MUG", 3)))
		k.await(func(heard map[string]any) bool { return heard["ord_1"] != nil })
		k.clock.Advance(10 * time.Minute)
		k.await(last(inventoryapi.ReservationExpiring{Reference: "ord_1"}))
		k.requireLevel("MUG", 10, 3)
		k.clock.Advance(15 * time.Second)
		k.await(last(inventoryapi.ReservationExpired{Reference: "ord_1"}))
		k.requireLevel("MUG", 10, 0)
		k.requireSound()
	})
}

func TestManyWritersOfTheSameStockNeverWaitForEachOtherInACircle(t *testing.T) {
	url := pgtest.NewDatabase(t)
	cfg := sqldb.Config{Context: "inventory", URL: url, Lanes: 4}
	houses := []*house{newHouse(t, dbtest.OpenWith(t, cfg)), newHouse(t, dbtest.OpenWith(t, cfg))}
	const skus, workers, rounds = 12, 8, 20
	for i := range skus {
		houses[0].receive(fmt.Sprintf("SKU-%02d", i), 60)
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { bustle(t, houses[w%2], w, skus, rounds) })
	}
	all.Wait()
	houses[0].requireSound()
	for _, h := range houses {
		require.NoError(t, h.db.Close()) // its sessions hand in their statistics
	}
	db := dbtest.OpenWith(t, cfg)
	var deadlocks int64
	require.NoError(t, db.Get(t.Context(), &deadlocks, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	require.Zero(t, deadlocks)
}

// bustle reserves random lines and lets what was reserved ship, be released, or lie.
func bustle(t *testing.T, h *house, worker, skus, rounds int) {
	random := rand.New(rand.NewPCG(7, uint64(worker)))
	for round := range rounds {
		var batch sync.WaitGroup
		for i := range 8 {
			ref := fmt.Sprintf("ord_%d_%d_%d", worker, round, i)
			var lines []inventoryapi.Line
			for range 1 + random.IntN(5) {
				lines = append(lines, line(fmt.Sprintf("SKU-%02d", random.IntN(skus)), 1+random.Int64N(3)))
			}
			steps := [][]bus.Body{{commitOf(ref), shipOf(ref)}, {releaseOf(ref)}, {commitOf(ref), releaseOf(ref)}, {}}[random.IntN(4)]
			extra := newMovement(fmt.Sprintf("SKU-%02d", random.IntN(skus)), 1+random.Int64N(5), reasonReceived, "", noon)
			batch.Go(func() { oneOrder(t, h, ref, lines, steps, extra) })
		}
		batch.Wait()
	}
}

func oneOrder(t *testing.T, h *house, ref string, lines []inventoryapi.Line, steps []bus.Body, extra movement) {
	do := func(run job) bool { return assertNoError(t, h.db.Write(context.Background(), ref, run)) }
	if !do(h.handle(reserve(ref, lines...))) {
		return
	}
	do(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := move(ctx, tx, []movement{extra}, noon, nil)
		return err
	})
	found, err := h.m.Reservations(context.Background(), []string{ref})
	if assertNoError(t, err) && found[0].Status == string(held) {
		for _, c := range steps {
			do(h.handle(c))
		}
	}
}

// assertNoError is for goroutines, where nothing may end the test.
func assertNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
