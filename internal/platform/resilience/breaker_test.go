package resilience_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/resilience"
)

// slow to half open: a breaker that stays open for the test.
func stays() resilience.Settings {
	s := quick()
	s.HalfOpen = time.Hour
	return s
}

func TestABreakerOpensRefusesAtOnceAndClosesWhenTheUpstreamIsBack(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{"breaks": breaks, "overloaded": overloaded, "cuts": cuts, "cuts in the middle": cutsInTheMiddle, "hangs": hangs, "is down": nil} {
		t.Run(name, func(t *testing.T) {
			s := quick()
			if name == "hangs" {
				s.Timeout = 20 * time.Millisecond
			}
			u := newUpstream(t, answers)
			var w *world
			var c *resilience.Caller
			require.Eventually(t, func() bool { // on a busy machine a good answer may take longer than that
				w = newWorld(t, s)
				c = w.Caller("payments", u.url(), resilience.CallerOptions{})
				return ask(t.Context(), c) == nil
			}, patience, time.Millisecond)
			b := w.Breakers()[0]
			if broken == nil {
				u.stop()
			} else {
				u.does(broken)
			}
			opened := func() bool { return w.logs.FilterMessage("the circuit breaker opens").Len() > 0 }
			for range 3 {
				require.False(t, opened(), "too few to tell")
				require.Error(t, ask(t.Context(), c))
			}
			require.True(t, opened(), "three of four failed")
			require.InDelta(t, 1, w.metric("shop_breaker_transitions_total", "state", "open"), 0)

			require.Eventually(t, func() bool { return b.State() == resilience.HalfOpen }, patience, time.Millisecond)
			require.Error(t, ask(t.Context(), c), "the trial")
			require.InDelta(t, 2, w.metric("shop_breaker_transitions_total", "state", "open"), 0, "it did not help")

			if broken == nil {
				u.start()
			} else {
				u.does(answers)
			}
			require.Eventually(t, func() bool { return ask(t.Context(), c) == nil }, patience, 2*time.Millisecond)
			require.Equal(t, resilience.Closed, b.State())
			require.Equal(t, 1, w.logs.FilterMessage("the circuit breaker closes").Len())
			require.InDelta(t, 0, w.metric("shop_breaker_state", "upstream", "payments"), 0)
		})
	}
}

func TestAnOpenBreakerAsksNobodyAndSaysWhenItWill(t *testing.T) {
	u := newUpstream(t, breaks)
	w := newWorld(t, stays())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	for range 4 {
		require.Error(t, ask(t.Context(), c))
	}
	u.does(answers)
	for range 10 {
		f := unavailable(t, ask(t.Context(), c))
		var open *resilience.OpenError
		require.ErrorAs(t, f, &open)
		require.Greater(t, f.RetryAfter, 59*time.Minute)
	}
	require.EqualValues(t, 4, u.heard.Load())
	require.InDelta(t, 10, w.outcome("refused_open"), 0)
	require.InDelta(t, 2, w.metric("shop_breaker_state", "upstream", "payments"), 0)
	require.Equal(t, resilience.Open, w.Breakers()[0].State())
	require.Equal(t, resilience.Closed, w.Breaker("payments", resilience.Proxied).State(), "other traffic has its own")
}

func TestAnswersThatAreNoFailuresKeepABreakerClosed(t *testing.T) {
	u := newUpstream(t, refuses)
	w := newWorld(t, stays())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	for range 20 {
		require.Error(t, ask(t.Context(), c))
	}
	require.EqualValues(t, 20, u.heard.Load())
	require.InDelta(t, 20, w.outcome("answered"), 0)
}

func TestACallerThatLeavesSaysNothingOfTheUpstream(t *testing.T) {
	u := newUpstream(t, nil)
	w := newWorld(t, stays())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	for range 10 {
		ctx, leave := context.WithCancel(t.Context())
		u.does(func(w http.ResponseWriter, r *http.Request) {
			leave()
			hangs(w, r)
		})
		unavailable(t, ask(ctx, c))
	}
	for range 10 { // who has no time left
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		u.does(hangs)
		unavailable(t, ask(ctx, c))
		cancel()
	}
	u.does(answers)
	require.NoError(t, ask(t.Context(), c))
	require.InDelta(t, 0, w.outcome("timed_out"), 0)
	u.does(breaks)
	for range 3 {
		require.Error(t, ask(t.Context(), c))
	}
	require.Equal(t, resilience.Open, w.Breakers()[0].State(), "nor does it speak for it: three of four have failed")
}

func TestATrialThatIsGivenUpEnds(t *testing.T) {
	u := newUpstream(t, breaks)
	w := newWorld(t, quick())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	for range 4 {
		require.Error(t, ask(t.Context(), c))
	}
	b := w.Breakers()[0]
	require.Eventually(t, func() bool { return b.State() == resilience.HalfOpen }, patience, time.Millisecond)
	ctx, leave := context.WithCancel(t.Context())
	u.does(func(w http.ResponseWriter, r *http.Request) {
		leave()
		hangs(w, r)
	})
	unavailable(t, ask(ctx, c))
	u.does(answers)
	require.Eventually(t, func() bool { return ask(t.Context(), c) == nil }, patience, 2*time.Millisecond, "the place of the trial is free again")
}

func TestOneTrialAtATimeAndWhatBeganBeforeDoesNotDecide(t *testing.T) {
	w := newWorld(t, quick())
	b := w.Breaker("payments", resilience.Questions)
	pass := func() func(resilience.Outcome) {
		done, err := b.Pass()
		require.NoError(t, err)
		return done
	}
	early, late := pass(), pass()
	for range 4 {
		pass()(resilience.Failed)
	}
	require.Eventually(t, func() bool { return b.State() == resilience.HalfOpen }, patience, time.Millisecond)
	trial := pass()
	_, err := b.Pass()
	var open *resilience.OpenError
	require.ErrorAs(t, err, &open)
	require.Equal(t, time.Second, open.RetryAfter)
	early(resilience.Answered)
	require.Equal(t, resilience.HalfOpen, b.State())
	late(resilience.TimedOut)
	require.Equal(t, resilience.HalfOpen, b.State())
	trial(resilience.Answered)
	require.Equal(t, resilience.Closed, b.State())
}

func TestRequestsOfOthersPassWithoutARetry(t *testing.T) {
	u := newUpstream(t, nil)
	w := newWorld(t, stays())
	transport := resilience.NewTransport(8)
	defer transport.CloseIdleConnections()
	rt := w.Breaker("payments", resilience.Proxied).Transport(transport)
	for _, own := range []http.HandlerFunc{breaks, overloaded, refuses} {
		u.does(own)
		for range 5 {
			status, err := through(t, rt, http.MethodPost, u.url().String())
			require.NoError(t, err)
			require.GreaterOrEqual(t, status, 400, "what a context answers is its word")
		}
	}
	require.EqualValues(t, 15, u.heard.Load())
	u.does(cuts)
	for range 15 {
		_, err := through(t, rt, http.MethodPost, u.url().String())
		require.Error(t, err)
	}
	require.EqualValues(t, 30, u.heard.Load(), "each was sent once")
	_, err := through(t, rt, http.MethodPost, u.url().String())
	var open *resilience.OpenError
	require.ErrorAs(t, err, &open)
	require.EqualValues(t, 30, u.heard.Load())
}

func TestManyAskAtOnceWhileTheUpstreamComesAndGoes(t *testing.T) {
	u := newUpstream(t, answers)
	w := newWorld(t, quick())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 60 {
				switch i {
				case 20:
					u.does(breaks)
				case 40:
					u.does(answers)
				}
				_ = ask(t.Context(), c)
			}
		})
	}
	all.Wait()
	u.does(answers)
	require.Eventually(t, func() bool { return ask(t.Context(), c) == nil }, patience, 2*time.Millisecond)
	sum := 0.0
	for _, o := range []string{"answered", "failed", "refused_open", "refused_full", "left", "timed_out", "unreachable"} {
		sum += w.outcome(o)
	}
	require.GreaterOrEqual(t, sum, 481.0, "each is counted")
}

func TestABreakerOpensAndClosesWhileManyPass(t *testing.T) {
	s := quick()
	s.HalfOpen = time.Nanosecond
	w := newWorld(t, s)
	b := w.Breaker("payments", resilience.Questions)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				if done, err := b.Pass(); err == nil {
					done([]resilience.Outcome{resilience.Failed, resilience.Answered, resilience.Left}[(g+i)%3])
				}
			}
		})
	}
	all.Wait()
	require.NotZero(t, w.metric("shop_breaker_transitions_total", "state", "open"))
	require.Eventually(t, func() bool {
		done, err := b.Pass()
		if err == nil {
			done(resilience.Answered)
		}
		return err == nil && b.State() == resilience.Closed
	}, patience, time.Millisecond, "no place is lost")
}
