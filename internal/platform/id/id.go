// Package id makes identifiers that say what they name and sort by the time they were made:
// "ord_" and 26 characters of Crockford base 32, 48 bits of milliseconds and 80 random bits (the layout of a ULID,
// https://github.com/ulid/spec, in lower case).
package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// values are what the characters of the alphabet stand for; those of others are none.
var values = func() (v [256]byte) {
	for c := range v {
		v[c] = none
	}
	for i, c := range []byte(alphabet) {
		v[c] = byte(i)
	}
	return v
}()

const none = 0xff

// bodyLen is the number of characters after the underscore.
const bodyLen = 26

var pool = struct {
	sync.Mutex
	buf [4096]byte
	n   int
}{n: 4096}

// New returns a new identifier such as "ord_01jd3q6k9v8xw2n4t7ryz5abcd". It never returns the same twice.
func New(prefix string) string { return prefix + "_" + encode(Bits()) }

// Bits are those of a new identifier: the milliseconds, and 80 random ones. They never are the same twice.
func Bits() [16]byte {
	b := since(time.Now())
	pool.Lock()
	if pool.n+10 > len(pool.buf) {
		_, _ = rand.Read(pool.buf[:]) // never fails since Go 1.24
		pool.n = 0
	}
	copy(b[6:], pool.buf[pool.n:pool.n+10])
	pool.n += 10
	pool.Unlock()
	return b
}

// Of is the identifier of the bits that 32 hexadecimal digits say, and that name nothing else with this prefix. ok is false when they are none.
func Of(prefix, digits string) (s string, ok bool) {
	var b [16]byte
	if len(digits) != hex.EncodedLen(len(b)) {
		return "", false
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return "", false
	}
	return prefix + "_" + encode(b), true
}

// IsOf reports whether s is an identifier of these bits, with whatever prefix.
func IsOf(s, digits string) bool {
	d, ok := decode(s)
	return ok && string(d[:]) == digits
}

// Digits are the bits of an identifier, as hexadecimal digits; empty when s is none.
func Digits(s string) string {
	if d, ok := decode(s); ok {
		return string(d[:])
	}
	return ""
}

func decode(s string) (digits [32]byte, ok bool) {
	prefix, body, _ := strings.Cut(s, "_")
	if !Valid(prefix, s) {
		return digits, false
	}
	var hi, lo uint64
	for i := range bodyLen {
		hi, lo = hi<<5|lo>>59, lo<<5|uint64(values[body[i]])
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	hex.Encode(digits[:], b[:])
	return digits, true
}

// At is the least identifier that New makes at t, or after it.
func At(prefix string, t time.Time) string { return prefix + "_" + encode(since(t)) }

func since(t time.Time) (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], uint64(max(0, t.UnixMilli()))<<16)
	return b
}

// Near reports whether an identifier that New made is of that time, give or take d.
func Near(prefix, s string, t time.Time, d time.Duration) bool {
	return At(prefix, t.Add(-d)) <= s && s < At(prefix, t.Add(d))
}

func encode(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [bodyLen]byte
	for i := bodyLen - 1; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// Valid reports whether s has the form that New(prefix) gives.
func Valid(prefix, s string) bool {
	body, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(body) != bodyLen || body[0] > '7' {
		return false
	}
	for i := range len(body) {
		if values[body[i]] == none {
			return false
		}
	}
	return true
}
