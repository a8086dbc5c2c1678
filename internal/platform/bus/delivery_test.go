package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// rough is a transport that delivers every message ten times, the first of them late and reordered across keys, the copies whenever it likes; that
// refuses some; and that loses acknowledgements.
type rough struct {
	*Memory
	lanes                   []chan func()
	wg                      sync.WaitGroup
	refused, acks, lostAcks atomic.Int64
}

func newRough(t *testing.T, m *Memory) *rough {
	r := &rough{Memory: m, lanes: make([]chan func(), 16)}
	quit := make(chan struct{})
	for i := range r.lanes {
		r.lanes[i] = make(chan func(), 200_000)
		r.wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				case send := <-r.lanes[i]:
					if rand.IntN(200) == 0 {
						<-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
					}
					send()
				}
			}
		})
	}
	t.Cleanup(func() { close(quit); r.wg.Wait() })
	return r
}

func (r *rough) Send(topic string, msg *message.Message, done func(error)) {
	if rand.IntN(2000) == 0 { // at once, as Memory does
		r.refused.Add(1)
		done(errBad)
		return
	}
	h := fnv.New32()
	_, _ = h.Write([]byte(msg.Metadata.Get(metaSubject)))
	home := r.lanes[h.Sum32()%uint32(len(r.lanes))]
	home <- func() {
		r.deliver(topic, msg, func(err error) {
			if err == nil && r.acks.Add(1)%500 == 0 {
				r.lostAcks.Add(1)
				err = errBad
			}
			done(err)
		})
		for range 9 {
			select {
			case r.lanes[rand.IntN(len(r.lanes))] <- func() { r.Memory.Send(topic, msg.Copy(), func(error) {}) }:
			default:
			}
		}
	}
}

// deliver waits while the queue is full: what comes later must not overtake.
func (r *rough) deliver(topic string, msg *message.Message, done func(error)) {
	for full := true; full; {
		full = false
		r.Memory.Send(topic, msg.Copy(), func(err error) {
			if errors.Is(err, ErrFull) { // Send says so before it returns
				full = true
				return
			}
			done(err)
		})
		if full {
			<-time.After(time.Millisecond)
		}
	}
}

// F9, I9, I10
func TestEveryMessageTakesEffectOnceAndInOrderOverARoughTransport(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		const keys, each = 200, roughEach
		s := newStreet(t, url)
		over := newRough(t, s.memory)
		s.sender = openWith(t, sqldb.Config{Context: "sender", URL: url, Lanes: 4}) // which leaves gaps among the ids
		s.from = NewEndpoint(Config{Context: "sender", DB: s.sender, Transport: over, Backoff: time.Millisecond, Poll: 20 * time.Millisecond})
		var failures atomic.Int64
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			switch rand.IntN(100) {
			case 0: // before anything was done
				failures.Add(1)
				return errBad
			case 1: // after a part was done
				failures.Add(1)
				_, err := tx.Exec(ctx, `INSERT INTO effects (key, n) VALUES ($1, $2)`, m.Key, m.N)
				if err == nil {
					err = errBad
				}
				return err
			case 2:
				failures.Add(1)
				panic("bad luck")
			}
			return record(ctx, tx, m)
		})
		s.to.cfg.Attempts = 20 // so that bad luck alone makes no dead letter
		start(t, s.from, s.to)
		var publishers sync.WaitGroup
		for k := range keys {
			publishers.Go(func() {
				for n := range each {
					err := s.sender.Write(context.Background(), keyOf(k), func(ctx context.Context, tx *sqldb.Tx) error {
						return s.from.Publish(ctx, tx, happened{keyOf(k), n})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		applied(t, s.receiver, keys*each)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, keys, each)
		require.Empty(t, deadLetters(t, s.receiver))
		t.Logf("%d refused, %d acknowledgements lost, %d failures", over.refused.Load(), over.lostAcks.Load(), failures.Load())
		require.NotZero(t, failures.Load())
		require.NotZero(t, over.lostAcks.Load())
	})
}

func TestAHandlerMayPublishToItself(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		withEffects(t, s.sender)
		On(s.from, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			if m.N < 50 {
				if err := s.from.Publish(ctx, tx, happened{m.Key, m.N + 1}); err != nil {
					return err
				}
			}
			return record(ctx, tx, m)
		})
		start(t, s.from)
		for k := range 20 {
			s.publish(happened{keyOf(k), 0})
		}
		applied(t, s.sender, 20*51)
		requireEachOnceInOrder(t, s.sender, 20, 51)
	})
}

func TestTwoContextsMayAnswerEachOther(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		withEffects(t, s.sender)
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m do) error {
			return s.to.Publish(ctx, tx, done(m))
		})
		On(s.from, func(ctx context.Context, tx *sqldb.Tx, m done) error {
			if m.N < 50 {
				if err := s.from.Publish(ctx, tx, do{m.Key, m.N + 1}); err != nil {
					return err
				}
			}
			return record(ctx, tx, happened(m))
		})
		start(t, s.from, s.to)
		for k := range 20 {
			s.publish(do{keyOf(k), 0})
		}
		applied(t, s.sender, 20*51)
		requireEachOnceInOrder(t, s.sender, 20, 51)
	})
}

// done is the event that answers do.
type done happened

var doneType = NewEvent("receiver", "thing.done", 1)

func (done) MessageType() Type    { return doneType }
func (m done) MessageKey() string { return m.Key }

func TestABacklogDrains(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		const keys, each = 1000, backlogEach
		On(s.to, record)
		for n := range each {
			bodies := make([]Body, keys)
			for k := range keys {
				bodies[k] = happened{keyOf(k), n}
			}
			s.publish(bodies...)
		}
		pending, oldest, err := s.from.Backlog(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, keys*each, pending)
		require.Positive(t, oldest)
		began := time.Now()
		start(t, s.from, s.to)
		applied(t, s.receiver, keys*each)
		s.sent()
		t.Logf("%d messages in %v", keys*each, time.Since(began))
		requireEachOnceInOrder(t, s.receiver, keys, each)
		eventually(t, "nothing is under way", func() bool { return len(s.from.UnderWay()) == 0 })
	})
}

func TestADatabaseThatDoesNotAnswerMakesNoDeadLetters(t *testing.T) {
	url := pgtest.NewDatabase(t)
	proxy := dbtest.NewProxy(t, url)
	s := newStreet(t, url)
	s.receiver = openContext(t, proxy.URL(), "receiver")
	s.to = s.endpoint("receiver", s.receiver, s.memory)
	s.to.cfg.Attempts = 2
	On(s.to, record)
	start(t, s.from, s.to)
	const keys, each = 100, 5
	for n := range each {
		if n == 1 {
			proxy.Decide(func(string) dbtest.Fate { return dbtest.CutBefore })
			proxy.CutAll()
		}
		for k := range keys {
			s.publish(happened{keyOf(k), n})
		}
	}
	cuts := proxy.Cuts()
	eventually(t, "all were tried many times", func() bool { return proxy.Cuts() > cuts+100 })
	proxy.Decide(nil)
	applied(t, s.receiver, keys*each)
	requireEachOnceInOrder(t, s.receiver, keys, each)
	require.Empty(t, deadLetters(t, s.receiver))
}

func TestAMessageCarriesItsCauseAndItsTrace(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		answered := make(chan Cause, 1)
		var command Cause
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m do) error {
			command = CauseOf(ctx)
			return s.to.Publish(ctx, tx, done(m))
		})
		On(s.from, func(ctx context.Context, tx *sqldb.Tx, m done) error {
			c := CauseOf(ctx)
			tx.AfterCommit(func() { answered <- c })
			return nil
		})
		start(t, s.from, s.to)
		s.publish(do{"a", 1})
		select {
		case event := <-answered:
			require.NotEmpty(t, command.MessageID)
			require.Equal(t, command.MessageID, command.Correlation, "the first of the conversation")
			require.Equal(t, command.Correlation, event.Correlation)
			require.NotEqual(t, command.MessageID, event.MessageID)
		case <-time.After(soon):
			t.Fatal("no answer")
		}
		require.Zero(t, CauseOf(t.Context()))
	})
}

func TestAPrefetchSeesTheMessagesOfABatchThatAreNew(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		var loads, loaded atomic.Int64
		Prefetch(s.to, func(_ context.Context, tx *sqldb.Tx, ms []happened) error {
			loads.Add(1)
			loaded.Add(int64(len(ms)))
			for _, m := range ms {
				tx.SetLocal(m, fmt.Sprint("of ", m.Key))
			}
			return nil
		})
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			if v, _ := tx.Local(m); v != "of "+m.Key {
				return fmt.Errorf("prefetched %v", v)
			}
			return record(ctx, tx, m)
		})
		var bodies []Body
		for k := range 500 {
			bodies = append(bodies, happened{keyOf(k), 0})
		}
		s.publish(bodies...)
		start(t, s.from, s.to)
		applied(t, s.receiver, 500)
		require.EqualValues(t, 500, loaded.Load())
		require.Less(t, loads.Load(), int64(100), "once a batch")
	})
}

func TestATypeWithoutAHandlerConcernsSomebodyElse(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.from, func(context.Context, *sqldb.Tx, done) error { return nil }) // of the receiver's events
		start(t, s.from, s.to)
		require.NoError(t, s.receiver.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			return s.to.Publish(ctx, tx, ignored{"a", 1}, done{"a", 1})
		}))
		eventually(t, "both are gone", func() bool { n, _, err := s.to.Backlog(t.Context()); return err == nil && n == 0 })
		require.Empty(t, deadLetters(t, s.sender))
	})
}

type ignored happened

var ignoredType = NewEvent("receiver", "thing.ignored", 1)

func (ignored) MessageType() Type    { return ignoredType }
func (m ignored) MessageKey() string { return m.Key }

func TestAnEventNobodyInThisProcessHearsIsNotWritten(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		s.publish(happened{"a", 1})
		n, _, err := s.from.Backlog(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
