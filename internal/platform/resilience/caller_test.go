package resilience_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/fault"
	"shop/internal/platform/resilience"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

type health struct{ Is string }

func ask(ctx context.Context, c *resilience.Caller) error {
	var h health
	if err := c.Get(ctx, "/v1/health?of=you", &h); err != nil {
		return err
	}
	if h.Is != "well" {
		return errors.New("it says it is " + h.Is)
	}
	return nil
}

// unavailable is what every failure to get an answer looks like.
func unavailable(t *testing.T, err error) *fault.Error {
	t.Helper()
	f := fault.As(err)
	require.NotNil(t, f, "%v", err)
	require.Equal(t, fault.Unavailable, f.Kind, "%v", err)
	require.Equal(t, "payments_unavailable", f.Code, "%v", err)
	require.Error(t, f.Cause)
	return f
}

func TestAQuestionIsAskedWithTraceAndToken(t *testing.T) {
	type key struct{}
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/health?of=you", r.RequestURI)
		assert.Equal(t, "Bearer of-ann", r.Header.Get("Authorization"))
		assert.Equal(t, "application/json", r.Header.Get("Accept"))
		assert.Equal(t, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", r.Header.Get("Traceparent"))
		answers(w, r)
	})
	w := newWorld(t, quick())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{Authorization: func(ctx context.Context) string { return ctx.Value(key{}).(string) }})
	ctx := telemetry.WithTraceparent(context.WithValue(t.Context(), key{}, "Bearer of-ann"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	require.NoError(t, ask(ctx, c))
	require.InDelta(t, 1, w.outcome("answered"), 0)
	require.InDelta(t, 0, w.outcome("failed"), 0)
}

func TestTheFaultOfTheAnswerComesBack(t *testing.T) {
	for kind := fault.Internal; kind <= fault.Precondition; kind++ {
		sent := fault.New(kind, "some_code", "what went wrong").With(fault.Field{Location: "query.sku", Detail: "expected less"})
		if kind == fault.Unavailable {
			sent.RetryAfter = 9 * time.Second
		}
		u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { web.WriteProblem(w, r, sent) })
		err := ask(t.Context(), newWorld(t, quick()).Caller("payments", u.url(), resilience.CallerOptions{}))
		got := fault.As(err)
		require.NotNil(t, got, "%v", err)
		require.Equal(t, kind, got.Kind)
		if kind == fault.Internal {
			require.NotContains(t, err.Error(), "what went wrong", "it was hidden there")
			continue
		}
		require.Equal(t, []any{sent.Code, sent.Message, sent.Fields}, []any{got.Code, got.Message, got.Fields})
		if kind == fault.Unavailable {
			require.Equal(t, 9*time.Second, got.RetryAfter)
		}
	}
}

func TestWhatIsNoAnswerIsNone(t *testing.T) {
	u := newUpstream(t, nil)
	w := newWorld(t, quick())
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	for name, body := range map[string][]byte{"empty": nil, "no JSON": []byte("<html>"), "of another type": []byte(`[1]`), "too long": bytes.Repeat([]byte(" "), 17<<20)} {
		u.does(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		require.Equal(t, fault.Internal, fault.KindOf(ask(t.Context(), c)), name)
	}
	u.does(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	require.Equal(t, fault.Internal, fault.KindOf(ask(t.Context(), c)), "a redirection is not followed")
	require.InDelta(t, 5, w.outcome("answered"), 0, "it is up, whatever it says")
}

func TestAnAttemptHasADeadlineAndIsNotRepeatedAfterIt(t *testing.T) {
	s := quick()
	s.Timeout, s.Retries = 30*time.Millisecond, 3
	u := newUpstream(t, hangs)
	w := newWorld(t, s)
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	f := unavailable(t, ask(t.Context(), c))
	require.ErrorIs(t, f, context.DeadlineExceeded)
	require.LessOrEqual(t, u.heard.Load(), int64(1))
	for _, o := range []string{"answered", "failed", "unreachable", "left"} {
		require.Zero(t, w.outcome(o), o)
	}
	require.InDelta(t, 1, w.outcome("timed_out"), 0)
}

func TestAQuestionThatWasNotHeardIsAskedAgain(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{"cut": cuts, "cut in the middle": cutsInTheMiddle, "a gateway before it": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}, "overloaded": overloaded} {
		t.Run(name, func(t *testing.T) {
			s := quick()
			s.Retries = 1
			u := newUpstream(t, broken)
			c := newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})
			var n atomic.Int64
			u.does(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					broken(w, r)
				}
				answers(w, r)
			})
			require.NoError(t, ask(t.Context(), c))
			u.does(broken)
			f := unavailable(t, ask(t.Context(), c))
			want := int64(4)
			if name == "cut" {
				want++ // net/http itself repeats what was sent over a connection that had been kept and is closed without a byte
			}
			require.Equal(t, want, u.heard.Load(), "once more, and no more")
			if name == "overloaded" {
				require.Equal(t, 7*time.Second, f.RetryAfter)
			}
		})
	}
}

func TestWhatTheContextAnsweredIsNotAskedAgain(t *testing.T) {
	for _, broken := range []http.HandlerFunc{breaks, refuses} {
		s := quick()
		s.Retries = 3
		u := newUpstream(t, broken)
		require.Error(t, ask(t.Context(), newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})))
		require.EqualValues(t, 1, u.heard.Load())
	}
}

func TestTheCallersDeadlineBoundsAllAttempts(t *testing.T) {
	s := quick()
	s.Retries, s.MinCalls = 1_000_000, 1_000_000
	u := newUpstream(t, overloaded)
	c := newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})
	for deadline := 100 * time.Millisecond; u.heard.Load() < 2; deadline *= 2 { // the longer, the slower the machine
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		u.heard.Store(0)
		unavailable(t, ask(ctx, c))
		require.Error(t, ctx.Err(), "it went on until then")
		cancel()
	}
}

func TestMoreThanTheBulkheadHoldsIsRefusedAtOnce(t *testing.T) {
	s := quick()
	u := newUpstream(t, nil)
	arrived, release := make(chan struct{}, s.Concurrency), make(chan struct{})
	u.does(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		answers(w, r)
	})
	w := newWorld(t, s)
	c := w.Caller("payments", u.url(), resilience.CallerOptions{})
	asked := make(chan error, s.Concurrency)
	for range s.Concurrency {
		go func() { asked <- ask(t.Context(), c) }()
	}
	for range s.Concurrency {
		<-arrived
	}
	f := unavailable(t, ask(t.Context(), c))
	require.Equal(t, time.Second, f.RetryAfter)
	require.InDelta(t, 1, w.outcome("refused_full"), 0)
	close(release)
	for range s.Concurrency {
		require.NoError(t, <-asked)
	}
	u.does(answers)
	require.NoError(t, ask(t.Context(), c), "the places are free again")
	require.Equal(t, resilience.Closed, w.Breakers()[0].State(), "and nothing was held against the upstream")
}

func TestManyQuestionsAreAskedSomeAtATimeAndTheFirstErrorEndsTheRest(t *testing.T) {
	u := newUpstream(t, answers)
	s := quick()
	s.Concurrency = 8 // no less than Each asks for at a time
	c := newWorld(t, s).Caller("payments", u.url(), resilience.CallerOptions{})
	require.NoError(t, c.Each(t.Context(), 100, func(ctx context.Context, _ int) error { return ask(ctx, c) }))
	require.EqualValues(t, 100, u.heard.Load())
	sad := errors.New("sad")
	err := c.Each(t.Context(), 100, func(ctx context.Context, i int) error {
		if i == 3 {
			return sad
		}
		if i > 3 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	require.ErrorIs(t, err, sad)
}
