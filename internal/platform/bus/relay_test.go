package bus

import (
	"context"
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

// deaf takes every message and never says what became of it.
type deaf struct {
	*Memory
	taken atomic.Int64
}

func (d *deaf) Send(string, *message.Message, func(error)) { d.taken.Add(1) }

func TestWhatWasNotAcknowledgedIsSentAgainByTheNextProcess(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		ears := &deaf{Memory: s.memory}
		crashed := s.endpoint("sender", s.sender, ears)
		start(t, crashed)
		for n := range 10 {
			s.publish(happened{"a", n})
		}
		eventually(t, "all are under way", func() bool { return ears.taken.Load() == 10 && crashed.UnderWay()[happenedType.Topic()] == 10 })
		stop(t, crashed)
		require.Empty(t, crashed.UnderWay())
		start(t, s.from, s.to)
		applied(t, s.receiver, 10)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, 1, 10)
	})
}

func TestRowsThatArrivedAreDeletedSeveralAtATime(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		start(t, s.from, s.to)
		sent := 0
		eventually(t, "there are half as many deletions as parcels", func() bool { // whoever needs longer than that for each parcel has one for each
			const parcels = 30
			before := s.sender.Stats().Jobs.Load()
			for range parcels {
				s.publish(happened{"a", sent})
				sent++
			}
			applied(t, s.receiver, sent)
			s.sent()
			return s.sender.Stats().Jobs.Load()-before-parcels < parcels/2
		})
		requireEachOnceInOrder(t, s.receiver, 1, sent)
	})
}

func TestRowsThatAreCommittedLateAreSent(t *testing.T) {
	url := pgtest.NewDatabase(t)
	s := newStreet(t, url)
	On(s.to, record)
	start(t, s.from, s.to)
	other := openContext(t, url, "sender")
	for round := range 5 {
		inserted, commit, committed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			committed <- other.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				if err := s.from.Publish(ctx, tx, happened{"late", round}); err != nil {
					return err
				}
				err := writeNow(ctx, tx) // now it has its id
				close(inserted)
				<-commit
				return err
			})
		}()
		<-inserted
		for range 3 { // with higher ids
			s.publish(happened{"early", round})
		}
		applied(t, s.receiver, 4*round+3)
		require.Len(t, effectsOf(t, s.receiver)["late"], round)
		close(commit)
		require.NoError(t, <-committed)
		applied(t, s.receiver, 4*round+4)
		s.sent()
		require.Len(t, effectsOf(t, s.receiver)["late"], round+1)
	}
}

func TestARowThatWasRolledBackHoldsUpNothing(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		start(t, s.from, s.to)
		for n := range 3 * relayGaps {
			require.ErrorIs(t, s.sender.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				if err := s.from.Publish(ctx, tx, happened{"never", n}); err != nil {
					return err
				}
				if err := writeNow(ctx, tx); err != nil {
					return err
				}
				return errBad
			}), errBad)
			s.publish(happened{"a", n})
		}
		applied(t, s.receiver, 3*relayGaps)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, 1, 3*relayGaps)
	})
}

func TestAConsumerThatStopsWhileTheRelayRunsLosesNothing(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		const keys, each = 50, 60
		unlucky := func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			if rand.IntN(20) == 0 {
				return errBad // so that some pause while the consumer stops
			}
			return record(ctx, tx, m)
		}
		receiver := func() *Endpoint {
			e := s.endpoint("receiver", s.receiver, s.memory)
			e.cfg.Attempts, e.cfg.Backoff = 100, 20*time.Millisecond
			On(e, unlucky)
			return e
		}
		s.to = receiver()
		start(t, s.from)
		var publisher sync.WaitGroup
		publisher.Go(func() {
			for n := range each {
				err := s.sender.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
					for k := range keys {
						if err := s.from.Publish(ctx, tx, happened{keyOf(k), n}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		for seen := 0; seen < keys*each*9/10; {
			start(t, s.to)
			target := seen + keys*each/10
			applied(t, s.receiver, target)
			stop(t, s.to)
			seen = countEffects(s.receiver)
			s.to = receiver()
		}
		start(t, s.to)
		publisher.Wait()
		applied(t, s.receiver, keys*each)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, keys, each)
	})
}

func TestATopicThatIsStuckHoldsUpNoOther(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		freed := make(chan struct{})
		third := openWith(t, sqldb.Config{Context: "third", URL: s.url})
		slow := s.endpoint("third", third, s.memory)
		withEffects(t, third)
		On(s.to, record)
		On(slow, func(ctx context.Context, tx *sqldb.Tx, m wait) error {
			<-freed
			return record(ctx, tx, happened(m))
		})
		start(t, s.from, s.to, slow)
		const keys, each = 100, 40 // more than one topic may have under way
		for n := range each {
			var bodies []Body
			for k := range keys {
				bodies = append(bodies, wait{keyOf(k), n})
			}
			s.publish(bodies...)
			s.publish(happened{"a", n})
		}
		applied(t, s.receiver, each)
		require.Zero(t, countEffects(third))
		require.LessOrEqual(t, s.from.UnderWay()[waitType.Topic()], relayTopicCap)
		close(freed)
		applied(t, third, keys*each)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, 1, each)
		requireEachOnceInOrder(t, third, keys, each)
	})
}

// wait is a command to the context "third".
type wait happened

var waitType = NewCommand("third", "thing.wait", 1)

func (wait) MessageType() Type    { return waitType }
func (m wait) MessageKey() string { return m.Key }

func TestACommandWaitsInTheOutboxUntilItsContextReceives(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		start(t, s.from)
		for n := range 20 {
			s.publish(do{"a", n})
		}
		n, _, err := s.from.Backlog(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 20, n)
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m do) error { return record(ctx, tx, happened(m)) })
		start(t, s.to)
		applied(t, s.receiver, 20)
		s.sent()
		requireEachOnceInOrder(t, s.receiver, 1, 20)
	})
}

func TestADeposedLeaderDeletesNothingAndStepsDown(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		held := make(chan struct{})
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			<-held
			return record(ctx, tx, m)
		})
		s.from.cfg.Lease = time.Minute // it would not notice by itself
		start(t, s.from, s.to)
		eventually(t, "it leads", s.from.Leading)
		s.publish(happened{"a", 0})
		eventually(t, "it is under way", func() bool { return len(s.from.UnderWay()) > 0 })
		require.NoError(t, s.sender.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE leases SET owner = 'another', token = token + 1`)
			return err
		}))
		close(held)
		eventually(t, "it learns of it", func() bool { return !s.from.Leading() })
		n, _, err := s.from.Backlog(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, map[string][]int{"a": {0}}, effectsOf(t, s.receiver))
	})
}

// A row that another process committed late is in a gap that the relay has passed. What follows it, of the same key, may be written by the process that leads, and handed over.
func TestWhatIsHandedOverDoesNotOvertakeWhatAnotherProcessCommittedLate(t *testing.T) {
	url := pgtest.NewDatabase(t)
	s := newStreet(t, url)
	calm := func(context string, db *sqldb.DB) *Endpoint { // nobody tells its relay of anything but what it wrote itself
		return NewEndpoint(Config{Context: context, DB: db, Transport: s.memory, Backoff: time.Millisecond, Poll: time.Hour})
	}
	s.from, s.to = calm("sender", s.sender), calm("receiver", s.receiver)
	On(s.to, record)
	start(t, s.from, s.to)
	eventually(t, "it leads", s.from.Leading)
	s.publish(happened{"other", 0})
	applied(t, s.receiver, 1)

	elsewhere := openContext(t, url, "sender")
	there := calm("sender", elsewhere) // another process: it writes, and does not lead
	written, commit, committed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		committed <- elsewhere.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			if err := there.Publish(ctx, tx, happened{"key", 0}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE leases SET token = token WHERE false`) // writes what was published
			close(written)
			<-commit
			return err
		})
	}()
	<-written
	s.publish(happened{"other", 1}) // its row follows the one that is not committed yet
	applied(t, s.receiver, 2)
	close(commit)
	require.NoError(t, <-committed)
	s.publish(happened{"key", 1})
	applied(t, s.receiver, 4)
	require.Equal(t, []int{0, 1}, effectsOf(t, s.receiver)["key"])
	n := 0
	eventually(t, "that an id never comes does not keep the relay from being quick for long: once all that ran when it was missed has ended, anywhere in the cluster", func() bool {
		s.publish(happened{"other", 2 + n})
		applied(t, s.receiver, 5+n)
		n++
		now := s.from.relay.current.Load()
		now.place.Lock()
		defer now.place.Unlock()
		return !now.uncertain()
	})
}

// replica is one of several processes: its own transport, its own connections, which can be cut or frozen as if it had died or stalled.
type replica struct {
	proxy            *dbtest.Proxy
	sender, receiver *sqldb.DB
	from, to         *Endpoint
}

func newReplica(t *testing.T, url string) *replica {
	r := &replica{proxy: dbtest.NewProxy(t, url)}
	open := func(context string) *sqldb.DB {
		return openWith(t, sqldb.Config{Context: context, URL: r.proxy.URL(), Lanes: 2, Statement: time.Second})
	}
	r.sender, r.receiver = open("sender"), open("receiver")
	m := NewMemory()
	m.pause = time.Millisecond
	endpoint := func(context string, db *sqldb.DB) *Endpoint {
		return NewEndpoint(Config{Context: context, DB: db, Transport: m, Attempts: 100, Backoff: time.Millisecond, Poll: 50 * time.Millisecond, Lease: 1200 * time.Millisecond})
	}
	r.from, r.to = endpoint("sender", r.sender), endpoint("receiver", r.receiver)
	On(r.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
		if rand.IntN(100) == 0 {
			return errBad
		}
		return record(ctx, tx, m)
	})
	return r
}

func (r *replica) die() {
	r.proxy.Decide(func(string) dbtest.Fate { return dbtest.CutBefore })
	r.proxy.CutAll()
}
func (r *replica) revive() { r.proxy.Decide(nil) }

// send publishes the n-th message of a key, once, however often it is called.
func (r *replica) send(key string, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return r.sender.Write(ctx, key, func(ctx context.Context, tx *sqldb.Tx) error {
		fresh, err := tx.Exec(ctx, `INSERT INTO sent (key, n) VALUES ($1, $2) ON CONFLICT (key, n) DO NOTHING`, key, n)
		if err != nil || fresh == 0 {
			return err
		}
		return r.from.Publish(ctx, tx, happened{key, n})
	})
}

func TestTheOrderOfAKeySurvivesTheDeathOfLeaders(t *testing.T) {
	url := pgtest.NewDatabase(t)
	setup := newStreet(t, url)
	require.NoError(t, setup.sender.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE sent (key TEXT, n BIGINT, PRIMARY KEY (key, n))`)
		return err
	}))
	replicas := []*replica{newReplica(t, url), newReplica(t, url)}
	for _, r := range replicas {
		start(t, r.from, r.to)
	}
	var over atomic.Bool
	var keys sync.WaitGroup
	const n = 40
	counts := make([]int, n)
	for k := range n {
		keys.Go(func() {
			for i := 0; !over.Load(); i++ {
				for replicas[rand.IntN(2)].send(keyOf(k), i) != nil { // through whichever process answers
				}
				counts[k] = i + 1
			}
		})
	}
	for round := range 4 {
		var leader, other *replica
		eventually(t, "one leads", func() bool {
			leader, other = replicas[0], replicas[1]
			if other.from.Leading() {
				leader, other = other, leader
			}
			return leader.from.Leading()
		})
		reached := countEffects(setup.receiver)
		applied(t, setup.receiver, reached+100)
		end := leader.revive
		if round%2 == 0 {
			leader.die()
		} else {
			leader.proxy.Freeze()
			end = leader.proxy.Thaw
		}
		eventually(t, "the other succeeds", other.from.Leading)
		reached = countEffects(setup.receiver)
		applied(t, setup.receiver, reached+100)
		end()
	}
	over.Store(true)
	keys.Wait()
	all := 0
	for _, c := range counts {
		all += c
	}
	applied(t, setup.receiver, all)
	setup.sent()
	effects := effectsOf(t, setup.receiver)
	for k, c := range counts {
		require.Len(t, effects[keyOf(k)], c)
		for i, got := range effects[keyOf(k)] {
			require.Equal(t, i, got, keyOf(k))
		}
	}
	require.Empty(t, deadLetters(t, setup.receiver))
	t.Logf("%d messages", all)
}

func TestJobsRunInTheLeaderAlone(t *testing.T) {
	url := pgtest.NewDatabase(t)
	var running, most, begun atomic.Int64
	endpoint := func() *Endpoint {
		e := NewEndpoint(Config{Context: "sender", DB: openContext(t, url, "sender"), Transport: NewMemory(), Lease: 600 * time.Millisecond})
		e.WhileLeading(func(ctx context.Context) {
			most.Store(max(most.Load(), running.Add(1)))
			begun.Add(1)
			<-ctx.Done()
			running.Add(-1)
		})
		return e
	}
	a, b := endpoint(), endpoint()
	start(t, a, b)
	eventually(t, "a job runs", func() bool { return running.Load() == 1 })
	leader, other := a, b
	if b.Leading() {
		leader, other = b, a
	}
	stop(t, leader)
	eventually(t, "it runs in the other", func() bool { return other.Leading() && running.Load() == 1 && begun.Load() == 2 })
	stop(t, other)
	require.Zero(t, running.Load())
	require.EqualValues(t, 1, most.Load())
}

func TestAProcessThatDoesNotLeadWakesTheOneThatDoes(t *testing.T) {
	url := pgtest.NewDatabase(t)
	s := newStreet(t, url)
	On(s.to, record)
	s.from.cfg.Poll = time.Hour
	start(t, s.from, s.to)
	eventually(t, "it leads", s.from.Leading)
	follower := NewEndpoint(Config{Context: "sender", DB: openContext(t, url, "sender"), Transport: s.memory, Poll: time.Hour})
	require.NoError(t, follower.Start(t.Context()))
	defer stop(t, follower)
	n := 0
	eventually(t, "the leader listens", func() bool { // what is published before is found with the first that wakes it
		require.NoError(t, follower.cfg.DB.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error { return follower.Publish(ctx, tx, happened{"a", n}) }))
		n++
		<-time.After(50 * time.Millisecond)
		return countEffects(s.receiver) == n
	})
	require.False(t, follower.Leading())
	requireEachOnceInOrder(t, s.receiver, 1, n)
}
