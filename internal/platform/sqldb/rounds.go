package sqldb

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Rounds are for work that hardly ever has to be taken up, because whoever began it nearly always ends it within moments. An index of what is not ended would be written twice for
// each row, and the row's change would touch the others, too (on PostgreSQL a change of an indexed column is no heap-only update). So there is none, and who leads goes round: it looks at
// each row once when it is old enough, by a time that its index is in the order of and that hardly ever changes, and marks those that were left behind. What is marked has an index.
//
// How far a round came is kept in the table rounds, for whoever leads next, however late. A row may be committed later than its time says, by a process that stood still: so a little
// is looked at again each time, ten minutes once a minute and by a new leader, and a day once an hour.
type Rounds struct {
	db    *DB
	name  string
	after time.Duration

	mu          sync.Mutex // one round at a time
	seen        time.Time  // up to where the last round went; zero before the first
	wide, whole time.Time  // when the last of these ended
}

// NewRounds begins rounds of which the table rounds has a row of that name. A row of the application counts as left behind when it is older than after.
func NewRounds(db *DB, name string, after time.Duration) *Rounds {
	return &Rounds{db: db, name: name, after: after}
}

// AtOnce is within what time of its being named a row is usually written. Rounds that go by the time in a name may overlook one that comes later: it has to be marked from the start.
const AtOnce = 5 * time.Second

// Span is a part of a round: from a time to another.
type Span struct{ From, To time.Time }

const (
	roundOverlap = 2 * time.Second
	wideRound    = 10 * time.Minute
	wholeRound   = 24 * time.Hour
	longestSpan  = 10 * time.Minute // of what one statement reads
)

// Go walks the next round: it calls look for each of its spans, the earliest first. now is by the clock that the rows' times are of. A round that fails is walked again.
// Errors: those of look; ErrUnavailable.
func (r *Rounds) Go(ctx context.Context, now time.Time, look func(ctx context.Context, s Span) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := now.Add(-r.after)
	if r.seen.IsZero() {
		seen, err := kept(ctx, r.db, r.name)
		if err != nil {
			return err
		}
		r.seen, r.whole = seen, now
	}
	whole := now.Sub(r.whole) >= time.Hour || to.Before(r.seen.Add(-wideRound)) // the clock was put back
	wide := whole || now.Sub(r.wide) >= time.Minute
	from := r.seen.Add(-roundOverlap)
	switch {
	case whole:
		from = earlier(from, to.Add(-wholeRound))
	case wide:
		from = earlier(r.seen, to).Add(-wideRound)
	}
	for s := (Span{To: from}); s.To.Before(to); {
		s = Span{s.To, earlier(s.To.Add(longestSpan), to)}
		if err := look(ctx, s); err != nil {
			return err
		}
	}
	if wide {
		if err := r.keep(ctx, to); err != nil {
			return err
		}
		r.wide = now
	}
	if whole {
		r.whole = now
	}
	r.seen = to
	return nil
}

// RoundsSeen is a time before which all that was left behind is marked, as far as the database knows. Errors: ErrUnavailable.
func RoundsSeen(ctx context.Context, db *DB, name string) (time.Time, error) {
	seen, err := kept(ctx, db, name)
	return seen.Add(-wideRound), err
}

// kept is how far whoever led last came.
func kept(ctx context.Context, db *DB, name string) (time.Time, error) {
	var seen int64
	err := db.Get(ctx, &seen, `SELECT seen FROM rounds WHERE name = $1`, name)
	if errors.Is(err, ErrNoRows) {
		return time.Time{}, &dbError{ErrUnavailable, errors.New("the table rounds has no row " + name)}
	}
	return Time(seen), err
}

// keep remembers how far this round came.
func (r *Rounds) keep(ctx context.Context, to time.Time) error {
	return r.db.Write(ctx, "", func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE rounds SET seen = $2 WHERE name = $1`, r.name, Micros(to))
		return err
	})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
