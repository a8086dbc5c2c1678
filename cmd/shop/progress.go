package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// progress shows on stderr how far something is: a bar on a terminal, now and then a line elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu          sync.Mutex
	what        string
	total, done int
	began, last time.Time
}

const (
	barWidth    = 30
	barInterval = 100 * time.Millisecond
	lineEvery   = 5 * time.Second
)

func newProgress(w io.Writer) *progress {
	return &progress{w: w, terminal: isTerminal(w), now: time.Now}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// Begin starts a part of total units.
func (p *progress) Begin(what string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.total, p.done, p.began = what, total, 0, p.now()
	p.last = p.began
	if p.terminal {
		p.show()
	}
}

// Add counts n units more.
func (p *progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	interval := lineEvery
	if p.terminal {
		interval = barInterval
	}
	if now := p.now(); now.Sub(p.last) >= interval {
		p.last = now
		p.show()
	}
}

// End finishes the part.
func (p *progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show()
	if p.terminal {
		_, _ = fmt.Fprintln(p.w)
	}
}

func (p *progress) show() {
	elapsed := p.now().Sub(p.began)
	text := fmt.Sprintf("%d/%d", p.done, p.total)
	if rate := float64(p.done) / max(elapsed.Seconds(), 1e-3); p.done > 0 {
		text += fmt.Sprintf("  %.0f/s", rate)
		if left := p.total - p.done; left > 0 {
			text += "  " + (time.Duration(float64(left)/rate) * time.Second).String() + " left"
		} else {
			text += "  in " + elapsed.Round(100*time.Millisecond).String()
		}
	}
	if !p.terminal {
		_, _ = fmt.Fprintf(p.w, "%s %s\n", p.what, text)
		return
	}
	full := barWidth
	if p.total > 0 {
		full = barWidth * p.done / p.total
	}
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%-9s [%s%s] %s", p.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), text)
}
