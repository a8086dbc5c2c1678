package bus

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// poisoned is a street whose receiver cannot apply message 1 of key "bad" until it is healed.
func poisoned(s *street) (healed *atomic.Bool, tries *atomic.Int64) {
	healed, tries = new(atomic.Bool), new(atomic.Int64)
	On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
		if m.Key == "bad" && m.N == 1 {
			tries.Add(1)
			if !healed.Load() {
				return errBad
			}
		}
		return record(ctx, tx, m)
	})
	return healed, tries
}

func (s *street) requireStates(want ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) { require.Equal(c, want, states(s.t, s.receiver)) }, soon, 5*time.Millisecond)
}

func TestPoisonBecomesADeadLetterAndParksItsKeyAlone(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		_, tries := poisoned(s)
		start(t, s.from, s.to)
		for n := range 4 {
			s.publish(happened{"bad", n}, happened{"good", n}, happened{"other", n})
		}
		s.requireStates("bad/1 dead", "bad/2 parked", "bad/3 parked")
		s.sent()
		require.Equal(t, map[string][]int{"bad": {0}, "good": {0, 1, 2, 3}, "other": {0, 1, 2, 3}}, effectsOf(t, s.receiver))
		require.GreaterOrEqual(t, tries.Load(), int64(3), "a run in a batch that it spoils does not count")
		d := deadLetters(t, s.receiver)[0]
		require.Equal(t, "receiver", d.Consumer)
		require.Equal(t, happenedType.String(), d.Type)
		require.Equal(t, "bad", d.Key)
		require.Equal(t, errBad.Error(), d.Error)
		require.EqualValues(t, 3, d.Attempts, "as the configuration says")
		require.WithinDuration(t, time.Now(), sqldb.Time(d.CreatedAt), time.Minute)
		require.JSONEq(t, `{"key":"bad","n":1}`, string(d.Body))
		require.Contains(t, string(d.Headers), d.MessageID)
		found, err := FindDeadLetter(t.Context(), s.receiver, d.ID)
		require.NoError(t, err)
		require.Equal(t, d, found)
		page, err := DeadLetters(t.Context(), s.receiver, d.ID, 1)
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Equal(t, "parked", page[0].State)
	})
}

func TestAReplayKeepsTheOrder(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		healed, _ := poisoned(s)
		start(t, s.from, s.to)
		for n := range 4 {
			s.publish(happened{"bad", n})
		}
		s.requireStates("bad/1 dead", "bad/2 parked", "bad/3 parked")
		healed.Store(true)
		require.NoError(t, Replay(t.Context(), s.receiver, deadLetters(t, s.receiver)[0].ID))
		s.publish(happened{"bad", 4})
		applied(t, s.receiver, 5)
		s.publish(happened{"bad", 5})
		applied(t, s.receiver, 6)
		requireEachOnceInOrder(t, s.receiver, 1, 6)
		s.requireStates()
	})
}

func TestAMessageThatArrivesDuringAReplayWaitsForItsTurn(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := newStreet(t, url)
		s.receiver = openWith(t, sqldb.Config{Context: "receiver", URL: url, Lanes: 3})
		s.to = s.endpoint("receiver", s.receiver, s.memory)
		healed, _ := poisoned(s)
		start(t, s.from, s.to)
		const each = 300
		for n := range each {
			s.publish(happened{"bad", n})
			if n == each/2 {
				eventually(t, "half of them are parked", func() bool { return len(deadLetters(t, s.receiver)) == each/2 })
				healed.Store(true)
				require.NoError(t, Replay(t.Context(), s.receiver, deadLetters(t, s.receiver)[0].ID))
			}
		}
		applied(t, s.receiver, each)
		requireEachOnceInOrder(t, s.receiver, 1, each)
		s.requireStates()
	})
}

func TestAReplayThatFailsIsDeadAgainWithItsNewError(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		var reason atomic.Value
		reason.Store(errBad)
		On(s.to, func(context.Context, *sqldb.Tx, happened) error { return reason.Load().(error) })
		start(t, s.from, s.to)
		s.publish(happened{"a", 0}, happened{"a", 1})
		s.requireStates("a/0 dead", "a/1 parked")
		reason.Store(errors.New("still\x00bad\xff")) // what no database stores as text
		require.NoError(t, Replay(t.Context(), s.receiver, deadLetters(t, s.receiver)[0].ID))
		eventually(t, "it was tried again", func() bool { return deadLetters(t, s.receiver)[0].Attempts == 4 })
		require.Equal(t, "still\uFFFDbad\uFFFD", deadLetters(t, s.receiver)[0].Error)
		s.requireStates("a/0 dead", "a/1 parked")
	})
}

func TestADiscardedMessageFreesThoseBehindItAndNeverComesBack(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		healed, _ := poisoned(s)
		start(t, s.from, s.to)
		for n := range 4 {
			s.publish(happened{"bad", n})
		}
		s.requireStates("bad/1 dead", "bad/2 parked", "bad/3 parked")
		healed.Store(true)
		dead := deadLetters(t, s.receiver)[0]
		require.NoError(t, Discard(t.Context(), s.receiver, dead.ID))
		applied(t, s.receiver, 3)
		copied := message.NewMessage(dead.MessageID, []byte(dead.Body))
		require.NoError(t, json.Unmarshal(dead.Headers, &copied.Metadata))
		require.NoError(t, s.memory.Publish(happenedType.Topic(), copied))
		s.publish(happened{"bad", 4})
		applied(t, s.receiver, 4)
		require.Equal(t, []int{0, 2, 3, 4}, effectsOf(t, s.receiver)["bad"])
		s.requireStates()
		require.ErrorIs(t, Discard(t.Context(), s.receiver, dead.ID), ErrNoDeadLetter)
		require.ErrorIs(t, Replay(t.Context(), s.receiver, dead.ID), ErrNoDeadLetter)
		_, err := FindDeadLetter(t.Context(), s.receiver, dead.ID)
		require.ErrorIs(t, err, ErrNoDeadLetter)
	})
}

func TestAMessageThatCannotBeReadIsDeadAtOnceAndCanBeLookedAt(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		_, tries := poisoned(s)
		start(t, s.from, s.to)
		unreadable := map[string]string{
			"1": `{"key":`, "2": `[]`, "3": "\x00\xff", "4": "", "5": `{"n":"one"}`,
		}
		for id, body := range unreadable {
			msg := message.NewMessage(id, []byte(body))
			msg.Metadata = message.Metadata{metaID: id, metaType: happenedType.String(), metaSubject: "key\x00\xff" + id}
			require.NoError(t, s.memory.Publish(happenedType.Topic(), msg), "it is taken care of")
			require.NoError(t, s.memory.Publish(happenedType.Topic(), msg.Copy()), "so is a copy")
		}
		list := deadLetters(t, s.receiver)
		require.Len(t, list, len(unreadable))
		for _, d := range list {
			require.Equal(t, "dead", d.State)
			require.Contains(t, d.Error, "decoding")
			require.Equal(t, int64(1), d.Attempts)
			require.Equal(t, storable(unreadable[d.MessageID]), string(d.Body))
		}
		shown, err := json.Marshal(list)
		require.NoError(t, err)
		require.Contains(t, string(shown), `"body":"{\"key\":"`)
		require.Zero(t, tries.Load())
		require.NoError(t, Replay(t.Context(), s.receiver, list[0].ID))
		eventually(t, "it is dead again", func() bool { return deadLetters(t, s.receiver)[0].Attempts == 2 })
	})
}

func TestOfASecondCopyOfAParkedOrDeadMessageNothingIsSeen(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		poisoned(s)
		start(t, s.from, s.to)
		for n := range 3 {
			s.publish(happened{"bad", n})
		}
		s.requireStates("bad/1 dead", "bad/2 parked")
		for _, d := range deadLetters(t, s.receiver) {
			copied := message.NewMessage(d.MessageID, []byte(d.Body))
			require.NoError(t, json.Unmarshal(d.Headers, &copied.Metadata))
			require.NoError(t, s.memory.Publish(happenedType.Topic(), copied))
		}
		s.requireStates("bad/1 dead", "bad/2 parked")
		require.Equal(t, []int{0}, effectsOf(t, s.receiver)["bad"])
	})
}

func TestAMessageThatWasAppliedMeanwhileIsNotBuried(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		msg := message.NewMessage("m.3", []byte(`{"key":"a","n":0}`))
		d := &delivery{msg: msg, id: "m.3", parcel: "m", bit: 1 << 3, typ: happenedType.String(), key: "a", attempts: 3, last: errBad}
		require.NoError(t, s.receiver.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			fresh, err := claimOne(ctx, tx, "receiver", "m.3", 1) // by another replica
			require.True(t, fresh)
			return err
		}))
		require.NoError(t, s.receiver.Do(t.Context(), s.to.consumer.burial(d)))
		require.Empty(t, deadLetters(t, s.receiver))
	})
}

func TestWhatIsOldIsForgotten(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		s.to.cfg.Keep = time.Hour
		old, young := sqldb.Micros(time.Now().Add(-2*time.Hour)), sqldb.Micros(time.Now().Add(-time.Minute))
		require.NoError(t, s.receiver.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			applied := sqldb.Many{SQL: `INSERT INTO inbox (consumer, parcel, applied, applied_at) SELECT 'receiver', r.id, 1, r.at FROM {rows}`, Columns: "id text, at bigint"}
			for i := range 2500 {
				tx.Queue(&applied, keyOf(i), old)
			}
			tx.Queue(&applied, "young", young)
			answered := sqldb.Many{SQL: `INSERT INTO idempotency_keys (id, request_hash, status, headers, body, created_at)
				SELECT r.id, '', 200, '', '', r.at FROM {rows}`, Columns: "id text, at bigint"}
			tx.Queue(&answered, "old", old)
			tx.Queue(&answered, "young", young)
			return nil
		}))
		require.NoError(t, s.to.forget(t.Context()))
		var left []string
		require.NoError(t, s.receiver.Select(t.Context(), &left, `SELECT parcel FROM inbox UNION ALL SELECT id FROM idempotency_keys`))
		require.Equal(t, []string{"young", "young"}, left)
	})
}
