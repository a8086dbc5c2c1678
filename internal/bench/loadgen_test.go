package main

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/id"
)

func TestAnOrderNamesDistinctProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, lines := range []int{1, 2, 10, 100, 500} {
		for range 10 {
			var order struct {
				Items []struct {
					SKU      string
					Quantity int
				}
			}
			require.NoError(t, json.Unmarshal(appendOrder(nil, r, lines), &order))
			require.Len(t, order.Items, lines)
			seen := map[string]bool{}
			for i, item := range order.Items {
				require.Regexp(t, `^SKU-([1-9][0-9]{0,3}|10000)$`, item.SKU)
				require.False(t, seen[item.SKU], "%s twice", item.SKU)
				require.Equal(t, 1+i%2, item.Quantity)
				seen[item.SKU] = true
			}
		}
	}
}

// stall is a shop that answers as it is told.
func stall(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) string {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		n++
		this := n
		mu.Unlock()
		answer(this, w, r)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func confirm(w http.ResponseWriter) {
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(`{"id":"ord_1","status":"confirmed"}`))
}

func TestEveryOrderOfALoadHasAKeyOfItsOwn(t *testing.T) {
	var mu sync.Mutex
	keys := map[string]bool{}
	addr := stall(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		keys[r.Header.Get("Idempotency-Key")] = true
		mu.Unlock()
		confirm(w)
	})
	o, err := load{addr: addr, clients: 4, limit: 100, work: placeOrders(2)}.run(t.Context(), nil, 0)
	require.NoError(t, err)
	require.EqualValues(t, 100, o.all)
	require.Zero(t, o.errors)
	require.Len(t, keys, 100)
}

func TestWhatIsNotConfirmedIsAnErrorAndDoesNotCount(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"still pending": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"status":"pending"}`))
		},
		"refused": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"confirmed"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr := stall(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 3 {
					answer(w)
					return
				}
				confirm(w)
			})
			o, err := load{addr: addr, clients: 1, limit: 10, work: placeOrders(2)}.run(t.Context(), nil, 0)
			require.NoError(t, err)
			require.EqualValues(t, 9, o.all)
			require.EqualValues(t, 1, o.errors)
			require.Error(t, o.first)
		})
	}
}

func TestOnlyTheMeasuredTimeHasLatenciesButEveryOrderIsCounted(t *testing.T) {
	addr := stall(t, func(_ int, w http.ResponseWriter, _ *http.Request) { confirm(w) })
	l := load{addr: addr, work: placeOrders(2)}
	w := &worker{rand: rand.New(rand.NewPCG(1, 2))}
	var measuring atomic.Bool
	for _, now := range []bool{false, true, true, false} {
		measuring.Store(now)
		require.NoError(t, w.once(l, time.Now().Add(time.Minute), &measuring))
	}
	w.close()
	require.Len(t, w.latencies, 2)
	require.EqualValues(t, 4, w.done.Load())

	o := outcome{sorted: w.latencies, usage: usage{wall: 500 * time.Millisecond, cpu: map[string]time.Duration{"program": 10 * time.Millisecond}, generator: time.Millisecond}}
	f := o.figures()
	require.InDelta(t, 4, f[perSecond], 1e-9)
	require.InDelta(t, 5, f[cpuProgram], 1e-9)
	require.InDelta(t, 0.5, f[cpuGenerator], 1e-9)
	require.InDelta(t, 2, f[measured], 1e-9)
}

func TestALoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := stall(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 5 {
			cancel()
		}
		confirm(w)
	})
	_, err := load{addr: addr, clients: 2, warm: time.Hour, measure: time.Hour, work: placeOrders(2)}.run(ctx, meter{}, 0)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAWindowIsTheBeginningOfItsIdentifiers(t *testing.T) {
	before := windowAt(time.Now())
	made := id.New("ord")
	after := windowAt(time.Now())
	require.Contains(t, []string{before.mark(), after.mark()}, made[len("ord"):len("ord_")+7])
	require.Equal(t, "_0000000", window(0).mark())
	require.Equal(t, "_000000z", window(31).mark())
	require.Equal(t, "_0000010", window(32).mark())
	require.Less(t, (before - 1).mark(), before.mark())
	require.Equal(t, window(1), windowAt(time.UnixMilli(0).Add(windowLength)))
}

func TestFlagsAreUnderstoodOrRefused(t *testing.T) {
	b, err := parseFlags([]string{"-parts", "flow,start", "-clients", "1,128", "-secs", "0.5", "-stored", "0,3000"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{"flow", "start"}, b.parts)
	require.Equal(t, []int{1, 128}, b.clients)
	require.Equal(t, 500*time.Millisecond, b.secs)
	require.Equal(t, []int{0, 3000}, b.stored)
	b.stored = []int{0, 1_000_000}
	require.Equal(t, []int{0, sqliteStored}, b.levels(sqlite))
	require.Equal(t, []int{0, 1_000_000}, b.levels(postgres))
	for _, args := range [][]string{{"-parts", "all"}, {"-clients", "0"}, {"-clients", "8,"}, {"-databases", "mysql"}, {"-stored", "1234"}, {"-stored", "-1000"}, {"rendr"}} {
		_, err := parseFlags(args, io.Discard)
		require.Error(t, err, args)
	}
}
