package auth

import (
	"sync"
	"time"
)

// remembered are tokens that were verified lately. There are two generations, and a full one makes place for the next: so what is in use stays, at most
// 2·generation tokens (some 4 MiB) are kept, and nothing has to look for what is too old.
type remembered struct {
	mu         sync.Mutex
	keys       *keySet // that verified them all
	young, old map[[32]byte]verdict
}

// verdict is what became of a token.
type verdict struct {
	principal Principal
	until     time.Time
}

// generation is how many tokens one generation has.
const generation = 8192

func newRemembered() *remembered { return &remembered{young: map[[32]byte]verdict{}} }

// get finds the token with that hash, if these keys verified it and that still holds.
func (r *remembered) get(sum [32]byte, keys *keySet, now time.Time) (Principal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != keys {
		return Principal{}, false
	}
	v, ok := r.young[sum]
	if !ok {
		v, ok = r.old[sum]
	}
	if !ok || !now.Before(v.until) {
		return Principal{}, false
	}
	return v.principal, true
}

// put remembers a token. With other keys than before it forgets all others.
func (r *remembered) put(sum [32]byte, keys *keySet, p Principal, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.keys != keys:
		r.keys, r.young, r.old = keys, map[[32]byte]verdict{}, nil
	case len(r.young) >= generation:
		r.young, r.old = map[[32]byte]verdict{}, r.young
	}
	r.young[sum] = verdict{p, until}
}
