package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answering is a client of a server that answers the n-th request, from 1, with answer(n).
func answering(t *testing.T, answer func(n int64, w http.ResponseWriter, r *http.Request)) *Client {
	t.Helper()
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(count.Add(1), w, r) }))
	t.Cleanup(server.Close)
	c := New(server.URL+"/", 1)
	t.Cleanup(c.Close)
	return c
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestARequestCarriesItsBodyKeyAndPreference(t *testing.T) {
	c := answering(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a":1}` || r.Method != http.MethodPost || r.URL.Path != "/v1/x" || r.Header.Get("Idempotency-Key") != "k" ||
			r.Header.Get("Prefer") != "wait=3" || r.Header.Get("Content-Type") != "application/json" {
			problem(w, http.StatusBadRequest, `{}`)
			return
		}
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"b":2}`)
	})
	var out struct{ B int }
	answer, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/v1/x", Key: "k", Wait: 3, Body: map[string]int{"a": 1}}, &out)
	require.NoError(t, err)
	require.Equal(t, 2, out.B)
	require.Equal(t, http.StatusCreated, answer.Status)
	require.True(t, answer.Replayed)
}

func TestABusyShopIsAskedAgainWithTheSameKey(t *testing.T) {
	for _, busy := range []func(w http.ResponseWriter){
		func(w http.ResponseWriter) {
			problem(w, http.StatusServiceUnavailable, `{"status":503,"code":"database_unavailable"}`)
		},
		func(w http.ResponseWriter) { problem(w, http.StatusTooManyRequests, `{"status":429}`) },
		func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) },
		func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, // the connection is cut
	} {
		keys := make(chan string, 10)
		c := answering(t, func(n int64, w http.ResponseWriter, r *http.Request) {
			keys <- r.Header.Get("Idempotency-Key")
			if n < 3 {
				busy(w)
			}
		})
		var told []error
		c.Retried = func(why error) { told = append(told, why) }
		_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/", Key: "k"}, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"k", "k", "k"}, []string{<-keys, <-keys, <-keys})
		require.Len(t, told, 2)
	}
}

func TestWhatCannotBeRepeatedIsNot(t *testing.T) {
	var asked atomic.Int64
	c := answering(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		asked.Store(n)
		problem(w, http.StatusServiceUnavailable, `{"status":503}`)
	})
	_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/"}, nil)
	require.Error(t, err)
	require.EqualValues(t, 1, asked.Load(), "a POST without a key")

	c = answering(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		asked.Store(n)
		problem(w, http.StatusConflict, `{"status":409,"code":"total_changed","detail":"the total differs","errors":[{"location":"body.x","detail":"expected y"}]}`)
	})
	_, err = c.Do(t.Context(), Request{Method: http.MethodPost, Path: "/", Key: "k"}, nil)
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "total_changed", p.Code)
	require.EqualError(t, p, "409 total_changed: the total differs; body.x: expected y")
	require.EqualValues(t, 1, asked.Load(), "an answer that will not change")
}

func TestPatienceEnds(t *testing.T) {
	c := answering(t, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusServiceUnavailable, `{"status":503}`)
	})
	c.Patience = time.Nanosecond
	_, err := c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"}, nil)
	var p *Problem
	require.ErrorAs(t, err, &p)

	c.Patience = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	c.Retried = func(error) { cancel(errors.New("enough")) }
	_, err = c.Do(ctx, Request{Method: http.MethodGet, Path: "/"}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRetryAfterIsRespected(t *testing.T) {
	c := answering(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			problem(w, http.StatusServiceUnavailable, `{"status":503}`)
		}
	})
	began := time.Now()
	_, err := c.Do(t.Context(), Request{Method: http.MethodGet, Path: "/"}, nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 500*time.Millisecond, "one second, half of it at the least")
}
