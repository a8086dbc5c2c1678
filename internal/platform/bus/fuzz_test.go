package bus

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/telemetry"
)

// FuzzParcel opens what stands in an outbox, whatever it is. What can be opened is packed and opened again: it must be the same letters.
func FuzzParcel(f *testing.F) {
	f.Add([]byte("p.1\nshop.a.b.v1\tx\t4bf92f3577b34da6a3ce929d0e0e4736\tp.0.3\tp.0.3\t{}\n\t\"a \\\"key\\\"\"\t\t\t\t[1, \"\\u2028\"]"))
	f.Add([]byte("p.1\nt\tk\t\t\t\t{}\nt"))
	f.Add([]byte("p.1\nt\tord_01arz3ndektsv4rrffq69g5fav\t=\t\t\t{}\n\tx\t=\t\t\t{}"))
	f.Add([]byte("p.1\nt\tk\t\t\t\t{\n"))
	f.Add([]byte(`[{"i":"p.1.0","t":"shop.a.b.v1","k":"x","b":{}},{"t":"shop.a.b.v1","k":"x","tp":"00","co":"c","ca":"d","b":[1, "\u2028"]}]`))
	f.Add([]byte(`[{"i":"no place","t":"","k":"","b":null},{"t":"","k":""}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"b":1},{"b":2}`))
	f.Add([]byte(`null`))
	long := parcel{name: "p.1", Content: []byte("p.1")}
	for i := range 9 {
		long.add(letter{Type: "shop.a.b.v1", Key: keyOf(i), Body: json.RawMessage(`{"some":"words that are in every message"}`)})
	}
	f.Add([]byte(long.stored()))
	f.Add([]byte(long.stored()[:40]))
	f.Fuzz(func(t *testing.T, content []byte) {
		p := parcel{Content: content}
		if p.open() != nil {
			require.Nil(t, p.letters)
			return
		}
		again := parcel{name: "p.1", Content: []byte("p.1")}
		for i, l := range p.letters {
			var body bytes.Buffer
			if json.Compact(&body, l.Body) != nil || l.Type == "" {
				return // a letter without a body or a type, which nobody writes
			}
			l.Body = body.Bytes()
			require.True(t, i == 0 || l.ID != "")
			again.add(l)
			require.Equal(t, messageID("p.1", i), again.letters[i].ID)
		}
		again.letters, again.Content = nil, again.stored()
		require.NoError(t, again.open(), string(again.Content))
		require.Len(t, again.letters, len(p.letters))
		for i, l := range p.letters {
			require.Equal(t, messageID("p.1", i), again.letters[i].ID)
			same := again.letters[i]
			require.Equal(t, []string{l.Type, l.Key, telemetry.Abridge(l.Traceparent, l.Key), l.Correlation, l.Causation},
				[]string{same.Type, same.Key, telemetry.Abridge(same.Traceparent, same.Key), same.Correlation, same.Causation})
			require.JSONEq(t, string(l.Body), string(same.Body))
		}
	})
}

// FuzzLetter writes letters of any words and reads them.
func FuzzLetter(f *testing.F) {
	f.Add("shop.a.b.v1", "a \"key\" \\", "00-x", "", "\u2028\x00\t\n", "shop.a.b.v2")
	f.Add("t", `"quoted"`, "", "\\", "é", "t")
	f.Fuzz(func(t *testing.T, typ, key, trace, correlation, causation, next string) {
		for _, s := range []string{typ, key, trace, correlation, causation, next} {
			if !utf8.ValidString(s) {
				return
			}
		}
		if typ == "" || next == "" || telemetry.Unabridged(telemetry.Abridge(trace, key), key) != trace {
			return // a type has a name; of a trace that is not recorded no span is kept
		}
		p := parcel{name: "p.1", Content: []byte("p.1")}
		for _, typ := range []string{typ, typ, next} {
			p.add(letter{Type: typ, Key: key, Traceparent: trace, Correlation: correlation, Causation: causation, Body: json.RawMessage(`{}`)})
		}
		added := p.letters
		p.letters = nil
		require.NoError(t, p.open(), string(p.Content))
		require.Equal(t, added, p.letters)
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
