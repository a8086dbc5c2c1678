package bus

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

func TestAMessageIsABitOfItsParcelAndAForeignOneHasARowOfItsOwn(t *testing.T) {
	for id, want := range map[string]struct {
		parcel string
		bit    int64
	}{
		"p4x.1z.0":                             {"p4x.1z", 1},
		"p4x.1z.61":                            {"p4x.1z", 1 << 61},
		"p4x.1z.62":                            {"p4x.1z.62", 1 << 62}, // no parcel has so many
		"p4x.-1":                               {"p4x.-1", 1 << 62},
		"p4x.99999":                            {"p4x.99999", 1 << 62},
		"p4x.":                                 {"p4x.", 1 << 62},
		".5":                                   {".5", 1 << 62},
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6": {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", 1 << 62},
		"":                                     {"", 1 << 62},
	} {
		parcel, bit := placeOf(id)
		require.Equal(t, want.parcel, parcel, id)
		require.Equal(t, want.bit, bit, id)
	}
}

func TestAParcelReadAgainHasTheIDsWithWhichItWasHandedOver(t *testing.T) {
	e := NewEndpoint(Config{Context: "sender", Transport: NewMemory()})
	var rows [][]any
	for i := range parcelMessages + 5 {
		rows = append(rows, []any{letter{Type: "t", Key: keyOf(i), Body: []byte(`{}`), topic: "topic"}})
	}
	packed := e.pack(rows)
	require.Len(t, packed, 2)
	seen := map[string]bool{}
	for _, row := range packed {
		p := parcel{Content: row[2].(sqldb.Blob)}
		require.NoError(t, p.open())
		handedOver := row[4].([]letter)
		require.Len(t, p.letters, len(handedOver))
		for i, l := range p.letters {
			require.Equal(t, handedOver[i].ID, l.ID)
			require.False(t, seen[l.ID], l.ID)
			seen[l.ID] = true
			_, bit := placeOf(l.ID)
			require.Equal(t, int64(1)<<i, bit)
		}
	}
}

func TestALongParcelIsCompressedAndWhatIsLostOfItIsNoticed(t *testing.T) {
	p := parcel{name: "p.1", Content: []byte("p.1")}
	for i := range parcelMessages {
		p.add(letter{Type: happenedType.String(), Key: keyOf(i), Body: json.RawMessage(`{"some":"words that are in every message"}`)})
	}
	stored, sent := p.stored(), p.letters
	require.Less(t, len(stored), len(p.Content)/4)
	read := parcel{Content: slices.Clone(stored)}
	require.NoError(t, read.open())
	require.Len(t, read.letters, len(sent))
	for i, l := range read.letters {
		require.Equal(t, sent[i].ID, l.ID)
		require.Equal(t, sent[i].Key, l.Key)
	}
	for cut := range len(stored) {
		torn := parcel{Content: slices.Clone(stored[:cut])}
		require.True(t, torn.open() != nil || len(torn.letters) == 0, cut)
	}
	for i := range stored {
		bad := parcel{Content: slices.Clone(stored)}
		bad.Content[i] ^= 0x10
		if bad.open() == nil {
			require.Equal(t, read.letters, bad.letters, "byte %d changed, and nothing was noticed", i)
		}
	}
}

// deliver hands a message to the receiver as the transport would, and waits for what becomes of it.
func (s *street) deliver(id, key string, n int) error {
	s.t.Helper()
	done := make(chan error, 1)
	msg := message.NewMessage(id, message.Payload(sqldb.Marshal(happened{key, n})))
	msg.Metadata = message.Metadata{metaID: id, metaType: happenedType.String(), metaSubject: key}
	s.to.consumer.put(msg, func(err error) { done <- err })
	return <-done
}

func (s *street) bits(parcel string) (bits int64) {
	s.t.Helper()
	require.NoError(s.t, s.receiver.Get(s.t.Context(), &bits, `SELECT applied FROM inbox WHERE consumer = 'receiver' AND parcel = $1`, parcel))
	return bits
}

func TestMessagesOfAParcelThatComeOneByOneShareARowAndCopiesChangeNothing(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		start(t, s.to)
		for _, id := range []string{"p.0", "p.3", "p.61", "p.3", "p.0"} {
			require.NoError(t, s.deliver(id, "key of "+id, 0))
		}
		require.Equal(t, int64(1|1<<3|1<<61), s.bits("p"))
		require.Equal(t, map[string][]int{"key of p.0": {0}, "key of p.3": {0}, "key of p.61": {0}}, effectsOf(t, s.receiver))
	})
}

// The batch is one transaction: what was applied before must not keep back what was not.
func TestABatchInWhichOneMessageWasAppliedBeforeAppliesTheOthers(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		On(s.to, record)
		start(t, s.to)
		require.NoError(t, s.deliver("p.1", "b", 0))
		hold := make(chan struct{})
		held := make(chan struct{})
		require.NoError(t, s.receiver.Push(t.Context(), sqldb.Job{Run: func(context.Context, *sqldb.Tx) error { close(held); <-hold; return nil }}, func(error) {}))
		<-held
		answers := make(chan error, 4)
		for i, id := range []string{"p.0", "p.1", "p.2", "q.0"} { // while the lane is busy: the next transaction takes all
			msg := message.NewMessage(id, message.Payload(sqldb.Marshal(happened{string(rune('a' + i)), 0})))
			msg.Metadata = message.Metadata{metaID: id, metaType: happenedType.String(), metaSubject: string(rune('a' + i))}
			s.to.consumer.put(msg, func(err error) { answers <- err })
		}
		before := s.receiver.Stats().Wrong.Load()
		close(hold)
		for range 4 {
			require.NoError(t, <-answers)
		}
		require.Equal(t, map[string][]int{"a": {0}, "b": {0}, "c": {0}, "d": {0}}, effectsOf(t, s.receiver))
		require.Equal(t, int64(7), s.bits("p"))
		require.Equal(t, before+1, s.receiver.Stats().Wrong.Load(), "the batch was one")
	})
}

// The assumption looks for keys of dead letters in a text of all keys. It may be too careful, but it must not overlook one, whatever characters it has.
func TestAKeyOfStrangeCharactersParksBehindItsDeadLetterAndItsNeighboursDoNot(t *testing.T) {
	for _, key := range []string{"", "%", `a\b`, "a_b", "ünï", "a'b", "line\nbreak"} {
		t.Run(key, func(t *testing.T) {
			eachStreet(t, func(t *testing.T, s *street) {
				On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
					if m.Key == key && m.N == 0 {
						return errBad
					}
					return record(ctx, tx, m)
				})
				start(t, s.to)
				require.NoError(t, s.deliver("p.0", key, 0)) // dead
				for i := range 20 {                          // the assumption is tried again
					require.NoError(t, s.deliver(messageID("q", i), "x"+key+"y", i))
				}
				require.NoError(t, s.deliver("p.1", key, 1))
				require.Equal(t, []string{"dead", "parked"}, []string{deadLetters(t, s.receiver)[0].State, deadLetters(t, s.receiver)[1].State})
				require.Len(t, effectsOf(t, s.receiver)["x"+key+"y"], 20)
			})
		})
	}
}
