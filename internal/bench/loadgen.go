package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is a closed loop: each client, on a connection of its own, sends the next request when it has the answer to its last.
type load struct {
	addr    string
	headers string // of every request: complete lines
	clients int
	warm    time.Duration // before what is measured
	measure time.Duration
	limit   int64 // instead of warm and measure: stop when so many requests were answered well
	work    func(*worker) error
}

// worker is one client.
type worker struct {
	*conn
	rand *rand.Rand
	buf  []byte

	done      atomic.Int64
	latencies []time.Duration // of what was answered in the measured time
}

// outcome is what a load did.
type outcome struct {
	sorted []time.Duration // latencies of requests whose answers came in the measured time
	usage  usage           // of the measured time
	all    int64           // requests answered well, over the whole load
	errors int64           // over the whole load
	first  error           // the first of these
	peak   float64         // greatest resident memory of the watched process seen in the measured time, MiB
}

// patience is how long a client waits for an answer after the load has ended.
const patience = time.Minute

// run drives the load. watched is the process whose memory is looked at; 0 for none. It returns when every client has had its last answer.
func (l load) run(ctx context.Context, m meter, watched int) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var measuring, stop atomic.Bool
	var failed, left atomic.Int64
	var first atomic.Pointer[error]
	left.Store(cmp.Or(l.limit, 1<<62))
	workers := make([]*worker, l.clients)
	until := time.Now().Add(l.warm + l.measure + patience)
	if l.limit > 0 {
		until = time.Now().Add(time.Hour)
	}
	var running sync.WaitGroup
	for i := range workers {
		w := &worker{rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
		workers[i] = w
		running.Go(func() {
			for !stop.Load() && left.Add(-1) >= 0 {
				err := w.once(l, until, &measuring)
				if err == nil {
					continue
				}
				failed.Add(1)
				first.CompareAndSwap(nil, &err)
				if w.conn != nil {
					w.close()
					w.conn = nil
				}
				if pause(ctx, 10*time.Millisecond) != nil { // a server that is gone is not asked in a hot loop
					return
				}
			}
			if w.conn != nil {
				w.close()
			}
		})
	}
	var o outcome
	var err error
	if l.limit == 0 {
		o, err = l.window(ctx, m, watched, &measuring)
		stop.Store(true)
	}
	running.Wait()
	for _, w := range workers {
		o.sorted = append(o.sorted, w.latencies...)
		o.all += w.done.Load()
	}
	slices.Sort(o.sorted)
	o.errors = failed.Load()
	if e := first.Load(); e != nil {
		o.first = *e
	}
	if err == nil {
		err = ctx.Err()
	}
	return o, err
}

// window waits for the end of the warm-up, measures, and says what the measured time took.
func (l load) window(ctx context.Context, m meter, watched int, measuring *atomic.Bool) (o outcome, err error) {
	if err := pause(ctx, l.warm); err != nil {
		return o, err
	}
	began := m.read()
	measuring.Store(true)
	looks := time.NewTicker(200 * time.Millisecond)
	defer looks.Stop()
	for end := time.After(l.measure); ; {
		select {
		case <-looks.C:
			if watched != 0 {
				o.peak = max(o.peak, residentNow(watched))
			}
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-end:
		}
		measuring.Store(false)
		o.usage = between(began, m.read())
		return o, err
	}
}

// once does one unit of work.
func (w *worker) once(l load, until time.Time, measuring *atomic.Bool) error {
	if w.conn == nil {
		c, err := dial(l.addr, until)
		if err != nil {
			return err
		}
		c.headers = l.headers
		w.conn = c
	}
	began := time.Now()
	if err := l.work(w); err != nil {
		return err
	}
	took := time.Since(began)
	w.done.Add(1)
	if measuring.Load() {
		w.latencies = append(w.latencies, took)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

const (
	skus      = 10_000  // SKU-1 … SKU-10000
	customers = 100_000 // cus_0 … cus_99999

	orderTail = `],"payment_method":"pm_test_ok","shipping_address":{"name":"Ada Lovelace","line1":"12 St James Square","city":"London","postal_code":"SW1Y 4JH","country":"GB"}}`
)

var confirmed = []byte(`"status":"confirmed"`)

// placeOrders returns the work of placing an order of so many lines and waiting until it is confirmed: the latency runs from sending the
// POST to that answer. Two lines are one of the first SKU and two of the second, as in the anchors.
func placeOrders(lines int) func(*worker) error {
	return func(w *worker) error {
		headers := fmt.Sprintf("Prefer: wait=10\r\nIdempotency-Key: %016x%016x\r\n", w.rand.Uint64(), w.rand.Uint64())
		w.buf = appendOrder(w.buf[:0], w.rand, lines)
		status, body, err := w.do(http.MethodPost, "/v1/orders", headers, w.buf)
		switch {
		case err != nil:
			return err
		case status != http.StatusCreated:
			return fmt.Errorf("POST /v1/orders: status %d: %.300s", status, body)
		case !bytes.Contains(body, confirmed):
			return fmt.Errorf("an order is not confirmed: %.300s", body)
		}
		return nil
	}
}

// appendOrder writes the body of an order of distinct SKUs. Of lines that follow one another one asks for 1, the next for 2.
func appendOrder(buf []byte, r *rand.Rand, lines int) []byte {
	buf = append(buf, `{"customer_id":"cus_`...)
	buf = strconv.AppendInt(buf, r.Int64N(customers), 10)
	buf = append(buf, `","items":[`...)
	first, step := r.IntN(skus), 1+r.IntN(skus/lines-1) // lines·step < skus: no SKU twice
	for i := range lines {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"sku":"SKU-`...)
		buf = strconv.AppendInt(buf, int64(1+(first+i*step)%skus), 10)
		buf = append(buf, `","quantity":`...)
		buf = strconv.AppendInt(buf, int64(1+i%2), 10)
		buf = append(buf, '}')
	}
	return append(buf, orderTail...)
}

// getOne returns the work of reading one of the paths, chosen at random.
func getOne(paths []string) func(*worker) error {
	return func(w *worker) error {
		status, body, err := w.do(http.MethodGet, paths[w.rand.IntN(len(paths))], "", nil)
		if err == nil && (status != http.StatusOK || len(body) == 0) {
			err = fmt.Errorf("status %d: %.300s", status, body)
		}
		return err
	}
}
