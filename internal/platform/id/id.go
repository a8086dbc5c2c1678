// Package id makes identifiers that say what they name and sort by the time they were made:
// "ord_" and 26 characters of Crockford base 32, 48 bits of milliseconds and 80 random bits (the layout of a ULID,
// https://github.com/ulid/spec, in lower case).
package id

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// bodyLen is the number of characters after the underscore.
const bodyLen = 26

var pool = struct {
	sync.Mutex
	buf [4096]byte
	n   int
}{n: 4096}

// New returns a new identifier such as "ord_01jd3q6k9v8xw2n4t7ryz5abcd". It never returns the same twice.
func New(prefix string) string {
	b := since(time.Now())
	pool.Lock()
	if pool.n+10 > len(pool.buf) {
		_, _ = rand.Read(pool.buf[:]) // never fails since Go 1.24
		pool.n = 0
	}
	copy(b[6:], pool.buf[pool.n:pool.n+10])
	pool.n += 10
	pool.Unlock()
	return prefix + "_" + encode(b)
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
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return false
		}
	}
	return true
}
