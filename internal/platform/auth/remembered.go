package auth

import (
	"sync"
	"time"

	"shop/internal/platform/generations"
)

// remembered are tokens that were verified lately: at most 2·generation (some 4 MiB).
type remembered struct {
	mu     sync.Mutex
	keys   *keySet // that verified them all
	tokens *generations.Map[[32]byte, verdict]
}

// verdict is what became of a token.
type verdict struct {
	principal Principal
	until     time.Time
}

// generation is how many tokens one generation has.
const generation = 8192

func newRemembered() *remembered {
	return &remembered{tokens: generations.New[[32]byte, verdict](generation)}
}

// get finds the token with that hash, if these keys verified it and that still holds.
func (r *remembered) get(sum [32]byte, keys *keySet, now time.Time) (Principal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != keys {
		return Principal{}, false
	}
	v, ok := r.tokens.Get(sum)
	if !ok || !now.Before(v.until) {
		return Principal{}, false
	}
	return v.principal, true
}

// put remembers a token. With other keys than before it forgets all others.
func (r *remembered) put(sum [32]byte, keys *keySet, p Principal, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != keys {
		r.keys, r.tokens = keys, generations.New[[32]byte, verdict](generation)
	}
	r.tokens.Put(sum, verdict{p, until})
}
