package main

import (
	"math/rand/v2"
	"time"
)

// server is a PostgreSQL server.
type server struct {
	sim  *simulation
	cpu  cores
	wal  *wal
	down bool
	back []func() // who waits for it to come back
	rand *rand.Rand
}

// whenUp calls run now, or, when the server is away, after it is back, with the backoff that the program has then.
func (s *server) whenUp(run func()) {
	if !s.down {
		run()
		return
	}
	s.back = append(s.back, run)
}

// fail takes the server away for so long. What it is doing at the moment it still ends.
func (s *server) fail(d time.Duration) {
	s.down = true
	s.sim.after(d, func() {
		s.down = false
		for _, run := range s.back {
			s.sim.after(time.Duration(s.rand.Float64()*float64(longestBackoff)), run)
		}
		s.back = nil
	})
}

// wal is a server's write-ahead log. One flush is under way at a time; who commits meanwhile waits for the next one, which serves all who wait:
// PostgreSQL's own group commit (backend/access/transam/xlog.c, XLogFlush).
type wal struct {
	sim      *simulation
	duration func() time.Duration // of a flush
	perKiB   time.Duration        // what each adds to a flush

	flushing bool
	waiting  []func()
	pending  float64 // bytes that wait
	flushes  int
	commits  int
	bytes    float64
}

// flush calls done when so many bytes are on the disk.
func (w *wal) flush(bytes float64, done func()) {
	w.commits++
	w.bytes += bytes
	w.pending += bytes
	w.waiting = append(w.waiting, done)
	if !w.flushing {
		w.begin()
	}
}

func (w *wal) begin() {
	served := w.waiting
	took := w.duration() + time.Duration(w.pending/1024)*w.perKiB
	w.waiting, w.pending, w.flushing = nil, 0, true
	w.flushes++
	w.sim.after(took, func() {
		w.flushing = len(w.waiting) > 0
		if w.flushing {
			w.begin()
		}
		for _, done := range served {
			done()
		}
	})
}

func (w *wal) reset() { w.flushes, w.commits, w.bytes = 0, 0, 0 }
