package bus

import (
	"encoding/json"
	"math/bits"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzParcel opens what stands in an outbox, whatever it is. What can be opened is packed and opened again: it must be the same letters.
func FuzzParcel(f *testing.F) {
	f.Add([]byte(`[{"i":"p.1.0","t":"shop.a.b.v1","k":"x","b":{}},{"t":"shop.a.b.v1","k":"x","tp":"00","co":"c","ca":"d","b":[1, "\u2028"]}]`))
	f.Add([]byte(`[{"i":"no place","t":"","k":"","b":null},{"t":"","k":""}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"b":1},{"b":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, content []byte) {
		p := parcel{Content: content}
		if p.open() != nil {
			return
		}
		again := parcel{Content: []byte{'['}}
		for i, l := range p.letters {
			if l.Body == nil {
				return // a letter without a body, which append never writes
			}
			if i > 0 {
				require.NotEmpty(t, l.ID)
				again.Content = append(again.Content, ',')
			}
			again.Content = l.append(again.Content, true)
		}
		again.Content = append(again.Content, ']')
		require.NoError(t, again.open(), string(again.Content))
		require.Len(t, again.letters, len(p.letters))
		for i, l := range p.letters {
			require.Equal(t, l.ID, again.letters[i].ID)
			require.Equal(t, []string{l.Type, l.Key, l.Traceparent, l.Correlation, l.Causation},
				[]string{again.letters[i].Type, again.letters[i].Key, again.letters[i].Traceparent, again.letters[i].Correlation, again.letters[i].Causation})
			require.JSONEq(t, string(l.Body), string(again.letters[i].Body))
		}
	})
}

// FuzzLetter writes a letter of any words and reads it.
func FuzzLetter(f *testing.F) {
	f.Add("p.1.0", "shop.a.b.v1", `a "key" \`, "00-x", "", "\u2028\x00")
	f.Fuzz(func(t *testing.T, id, typ, key, trace, correlation, causation string) {
		for _, s := range []string{id, typ, key, trace, correlation, causation} {
			if !utf8.ValidString(s) {
				return
			}
		}
		l := letter{ID: id, Type: typ, Key: key, Traceparent: trace, Correlation: correlation, Causation: causation, Body: json.RawMessage(`{}`)}
		p := parcel{Content: append(l.append([]byte{'['}, true), ']')}
		require.NoError(t, p.open(), string(p.Content))
		require.Equal(t, []letter{l}, p.letters)
	})
}

// FuzzPlaceOf: two messages never share a place in the inbox, or the second would be taken for applied.
func FuzzPlaceOf(f *testing.F) {
	for _, id := range []string{"p.1.0", "p.1.61", "p.1.62", "p.1.063", "p.1.00", "p.1.+1", ".7", "p.", "", "p", "\xff.1"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		parcel, bit := placeOf(id)
		require.Equal(t, 1, bits.OnesCount64(uint64(bit)), "one bit of its own")
		if place := bits.TrailingZeros64(uint64(bit)); place < parcelMessages {
			require.Equal(t, id, messageID(parcel, place))
		} else {
			require.Equal(t, parcelMessages, place)
			require.Equal(t, id, parcel)
		}
	})
}
