package shipping

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/shipping/shippingapi"
)

// stage is the context, with somebody who sends it commands and hears its events.
type stage struct {
	*Module
	replica  *Module // another process on the same database; it handles no messages
	caller   *bus.Endpoint
	callerDB *sqldb.DB

	mu    sync.Mutex
	heard map[string][]string // by reference: what was heard, in order, such as "created shp_…"
}

const patience = 30 * time.Second

// onStage runs the test once on each kind of database.
func onStage(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		transport := bus.NewMemory()
		open := func() *Module {
			db := dbtest.OpenWith(t, sqldb.Config{Context: "shipping", URL: url, Lanes: 2})
			return New(Needs{DB: db, Bus: transport, Log: zap.NewNop(), Clock: clock.System})
		}
		s := &stage{Module: open(), replica: open(), callerDB: dbtest.Open(t, "platform", url), heard: map[string][]string{}}
		s.caller = bus.NewEndpoint(bus.Config{Context: "platform", DB: s.callerDB, Transport: transport})
		hear(s, func(e shippingapi.ShipmentCreated) string { return "created " + e.ShipmentID })
		hear(s, func(e shippingapi.ShipmentDispatched) string {
			return "dispatched " + e.ShipmentID + " by " + e.Carrier + " " + e.TrackingNumber
		})
		hear(s, func(e shippingapi.ShipmentDelivered) string { return "delivered " + e.ShipmentID })
		hear(s, func(e shippingapi.ShipmentReturned) string { return "returned " + e.ShipmentID })
		hear(s, func(shippingapi.ShipmentCancelled) string { return "cancelled" })
		hear(s, func(e shippingapi.ShipmentNotCancelled) string { return "not cancelled: " + e.Status })

		require.NoError(t, s.caller.Start(t.Context()))
		require.NoError(t, s.Start(t.Context()))
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, s.Stop(ctx))
			require.NoError(t, s.caller.Stop(ctx))
		})
		test(t, s)
		s.audit(t)
	})
}

func hear[E bus.Body](s *stage, say func(E) string) {
	bus.On(s.caller, func(_ context.Context, tx *sqldb.Tx, e E) error {
		tx.AfterCommit(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.heard[e.MessageKey()] = append(s.heard[e.MessageKey()], say(e))
		})
		return nil
	})
}

func (s *stage) audit(t *testing.T) {
	t.Helper()
	findings, err := s.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, findings)
}

// send puts commands on their way.
func (s *stage) send(t *testing.T, commands ...bus.Body) {
	t.Helper()
	require.NoError(t, s.publish(commands...))
}

func (s *stage) publish(commands ...bus.Body) error {
	return s.callerDB.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		return s.caller.Publish(ctx, tx, commands...)
	})
}

// settle waits until every command sent was handled and every event was heard: a message leaves the outbox when its receiver has committed.
func (s *stage) settle(t *testing.T) {
	t.Helper()
	empty := func(e *bus.Endpoint) bool {
		n, _, err := e.Backlog(t.Context())
		return err == nil && n == 0
	}
	require.Eventually(t, func() bool { return empty(s.caller) && empty(s.endpoint) }, patience,
		2*time.Millisecond, "messages are still under way")
}

// story is what was heard of a reference.
func (s *stage) story(reference string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard[reference])
}

// created makes the shipment of a reference.
func (s *stage) created(t *testing.T, reference string) shippingapi.Shipment {
	t.Helper()
	s.send(t, order(reference))
	s.settle(t)
	return s.only(t, reference)
}

// only is the one shipment of a reference.
func (s *stage) only(t *testing.T, reference string) shippingapi.Shipment {
	t.Helper()
	found, err := s.Shipments(t.Context(), []string{reference})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func references(n int) []string {
	refs := make([]string, n)
	for i := range refs {
		refs[i] = fmt.Sprintf("ord_%03d", i)
	}
	return refs
}

// together runs jobs in one transaction, in this order, as a busy lane does, and returns the outcome of each.
func together(t *testing.T, db *sqldb.DB, jobs ...func(ctx context.Context, tx *sqldb.Tx) error) []error {
	t.Helper()
	const key = "together"
	before, released := db.Stats().Alone.Load(), make(chan struct{})
	require.NoError(t, db.Submit(t.Context(), sqldb.Job{Key: key, Run: func(context.Context, *sqldb.Tx) error {
		<-released
		return nil
	}}, func(error) {}))
	errs := make([]error, len(jobs))
	var done sync.WaitGroup
	for i, run := range jobs {
		done.Add(1)
		require.NoError(t, db.Submit(t.Context(), sqldb.Job{Key: key, Run: run}, func(err error) {
			errs[i] = err
			done.Done()
		}))
	}
	close(released)
	done.Wait()
	require.Equal(t, before, db.Stats().Alone.Load(), "the jobs did not share a transaction")
	return errs
}
