package testpsp

import (
	"context"
	"math/rand/v2"
	"sync"
)

// Faults are the shares of calls, 0 to 1, that go wrong, and how.
type Faults struct {
	Refused float64 // answered 500 before anything was done
	Failed  float64 // done, then answered 500
	Silent  float64 // done, then not answered until the caller gives up
}

type faults struct {
	mu     sync.Mutex
	shares Faults
	random *rand.Rand
}

// SetFaults makes the given shares of all calls from now on go wrong, by a random source that starts from seed.
func (p *Provider) SetFaults(f Faults, seed uint64) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.shares, p.faults.random = f, rand.New(rand.NewPCG(seed, seed))
}

type fate uint8

const (
	well fate = iota
	refused
	failed
	silent
)

// draw decides how a call goes.
func (f *faults) draw() fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shares == (Faults{}) {
		return well
	}
	switch x := f.random.Float64(); {
	case x < f.shares.Refused:
		return refused
	case x < f.shares.Refused+f.shares.Failed:
		return failed
	case x < f.shares.Refused+f.shares.Failed+f.shares.Silent:
		return silent
	}
	return well
}

// call is the way every call takes: the fault strikes before the work or after it, never in its midst, because the books are transactional.
func call[T any](ctx context.Context, p *Provider, work func() (T, error)) (T, error) {
	var nothing T
	fate := p.faults.draw()
	if fate == refused {
		return nothing, ErrServer
	}
	answer, err := work()
	switch {
	case err != nil:
		return nothing, err
	case fate == failed:
		return nothing, ErrServer
	case fate == silent:
		<-ctx.Done()
		return nothing, ctx.Err()
	}
	return answer, nil
}
