package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// progress shows on stderr how far a long command is, how fast, and how long it will still take: a bar on a terminal, now and then a line elsewhere. A part that is over before it was worth
// a word is not shown at all; of one that is shown, the end is shown too.
type progress struct {
	w        io.Writer
	terminal bool
	width    func() int // of the terminal, in columns
	now      func() time.Time
	after    time.Duration // how long a part must take to be shown; 0: each is
	tick     time.Duration // how often it is drawn without news; 0: never

	mu          sync.Mutex
	what        string
	total, done int // total is 0 when nobody knows
	began, last time.Time
	shown       bool
	recent      []sample // oldest first
	stop        chan struct{}
	stopped     sync.WaitGroup
}

// sample is how much was done at a time.
type sample struct {
	at   time.Time
	done int
}

const (
	barWidth    = 30
	barInterval = 100 * time.Millisecond
	lineEvery   = 5 * time.Second
	narrow      = 20 // columns, below which a terminal is believed to be mistaken

	rateOver   = 10 * time.Second // the past that the rate is of
	rateSample = 250 * time.Millisecond

	worthAWord = 2 * time.Second // how long what is usually short must take to be shown
)

// newProgress shows every part.
func newProgress(w io.Writer) *progress {
	p := &progress{w: w, terminal: isTerminal(w), now: time.Now, tick: lineEvery / 2}
	if p.terminal {
		p.tick = barInterval
	}
	p.width = func() int {
		if f, ok := w.(*os.File); ok {
			if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns >= narrow {
				return columns
			}
		}
		return 80
	}
	return p
}

// newQuietProgress shows only what takes long.
func newQuietProgress(w io.Writer) *progress {
	p := newProgress(w)
	p.after = worthAWord
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// Begin starts a part of total units; 0 when that is not known.
func (p *progress) Begin(what string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.what, p.total, p.done, p.began, p.last, p.shown, p.recent = what, max(total, 0), 0, now, now, false, []sample{{now, 0}}
	if p.after == 0 {
		p.show(now)
	}
	if p.tick > 0 {
		p.stop = make(chan struct{})
		p.stopped.Go(func() { p.keepDrawing(p.stop) })
	}
}

// keepDrawing lets the rate fall and the time go on while nothing gets done.
func (p *progress) keepDrawing(stop <-chan struct{}) {
	tick := time.NewTicker(p.tick)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			p.Add(0)
		}
	}
}

// Add counts n units more. It may be called from several goroutines.
func (p *progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	now := p.now()
	p.remember(now)
	interval := lineEvery
	if p.terminal {
		interval = barInterval
	}
	if now.Sub(p.began) >= p.after && (now.Sub(p.last) >= interval || p.after > 0 && !p.shown) {
		p.show(now)
	}
}

// remember keeps the samples of the recent past, and the last one before it.
func (p *progress) remember(now time.Time) {
	if now.Sub(p.recent[len(p.recent)-1].at) >= rateSample {
		p.recent = append(p.recent, sample{now, p.done})
	}
	for len(p.recent) > 2 && now.Sub(p.recent[1].at) >= rateOver {
		p.recent = p.recent[1:]
	}
}

// End finishes the part: its last line tells how long it took, and the rate over all of it.
func (p *progress) End() {
	if p.stop != nil {
		close(p.stop)
		p.stopped.Wait()
		p.stop = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after > 0 && !p.shown {
		return
	}
	now := p.now()
	took := now.Sub(p.began)
	p.draw(p.counted() + "  " + perSecond(float64(p.done), took) + "  in " + duration(took))
	if p.terminal {
		_, _ = fmt.Fprintln(p.w)
	}
}

// show draws the part as it is.
func (p *progress) show(now time.Time) {
	p.last, p.shown = now, true
	oldest := p.recent[0]
	past := now.Sub(oldest.at)
	text := p.counted()
	if p.done > 0 && past > 0 {
		rate := float64(p.done-oldest.done) / past.Seconds()
		text += "  " + perSecond(float64(p.done-oldest.done), past)
		switch left := p.total - p.done; {
		case p.total == 0:
			text += "  for " + duration(now.Sub(p.began))
		case left > 0 && rate > 0:
			text += "  " + duration(time.Duration(float64(left)/rate*float64(time.Second))) + " left"
		}
	}
	p.draw(text)
}

// counted is how much is done, of how much if that is known.
func (p *progress) counted() string {
	if p.total == 0 {
		return strconv.Itoa(p.done)
	}
	return fmt.Sprintf("%d/%d", p.done, p.total)
}

// draw writes one line: on a terminal over the one before, in one piece and cut to its width, so that nothing flickers or wraps.
func (p *progress) draw(text string) {
	if !p.terminal {
		_, _ = fmt.Fprintf(p.w, "%s %s\n", p.what, text)
		return
	}
	line := fmt.Sprintf("%-9s ", p.what)
	room := p.width() - 1 - len(line) - len(text) - len("[] ")
	if width := min(room, barWidth); width >= 5 && p.total > 0 {
		full := min(width*p.done/p.total, width)
		line += "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] "
	}
	line += text
	_, _ = fmt.Fprintf(p.w, "\r%s\x1b[K", line[:min(len(line), p.width()-1)])
}

// perSecond is a rate for people: whole numbers unless they are small.
func perSecond(n float64, in time.Duration) string {
	rate := n / max(in.Seconds(), 1e-3)
	if rate > 0 && rate < 10 {
		return fmt.Sprintf("%.1f/s", rate)
	}
	return fmt.Sprintf("%.0f/s", rate)
}

// duration is a time for people: 1h02m, 3m05s, 12s, 0.3s.
func duration(d time.Duration) string {
	switch s := int(d.Round(time.Second).Seconds()); {
	case d < time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 100*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
