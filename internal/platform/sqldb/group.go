package sqldb

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"shop/internal/platform/failpoint"
	"shop/internal/platform/telemetry"
)

// Job is a piece of work that shares a transaction with whatever else waits.
type Job struct {
	Key  string // jobs of one key run in the order in which they were submitted
	Kind *Kind  // prepares all its jobs of a batch at once; may be nil
	Arg  any    // what Kind.Prepare looks at
	Run  func(ctx context.Context, tx *Tx) error

	// Patience is how long the job may wait for a transaction that somebody else wants. 0: it is in a hurry itself.
	Patience time.Duration
}

// Kind lets jobs of one kind prepare together, with one statement for all: claim inbox rows, load what they will need. Prepare
// gets the Arg of each of its jobs in the batch and leaves what it found in the transaction with SetLocal.
type Kind struct {
	Name    string
	Prepare func(ctx context.Context, tx *Tx, args []any) error
	Claims  bool // Prepare writes rows for its jobs, so a job that fails takes the transaction with it

	// Assume, if there is one, stands in for Prepare the first time: it takes for granted what is usual (that a message is new, that there is enough) and asks
	// the database nothing, so that the whole transaction is one round trip. What it takes for granted must be checked by what the transaction writes: by a unique key, or
	// by a statement that is Exact. When that fails, all is undone, and the batch runs with Prepare.
	Assume func(ctx context.Context, tx *Tx, args []any) error
}

// caution is for how many batches a lane assumes nothing after it was wrong.
const caution = 16

// Stats counts what was done since the start. Alone are the batches that were divided because they failed; Statements are those of transactions, which take
// RoundTrips on PostgreSQL; Reads are those outside. Wrong are the transactions that assumed what was not so.
type Stats struct {
	Wrong, Jobs, Commits, Alone, Retries, UnknownCommits, Statements, RoundTrips, Reads atomic.Int64
}

// Stats are this database's counters.
func (db *DB) Stats() *Stats { return &db.stats }

// maxAttempts bounds the tries after a serialization failure, a cut connection or a commit of unknown outcome.
const maxAttempts = 6

type job struct {
	Job
	ctx     context.Context
	done    func(error)
	err     error
	counted bool      // takes room in the lane's queue
	until   time.Time // its patience ends
}

// Write runs fn in a transaction and returns when it is durable. Jobs with the same key run in the order of their calls. fn may run several times; see the package comment.
// Errors: those of fn; ErrUnavailable when the database does not answer, or ctx ends: the outcome is then not known.
func (db *DB) Write(ctx context.Context, key string, fn func(ctx context.Context, tx *Tx) error) error {
	return db.Do(ctx, Job{Key: key, Run: fn})
}

// Do submits a job and waits for it. Errors: those of Write.
func (db *DB) Do(ctx context.Context, j Job) error {
	if ctx.Value(insideKey{}) == db {
		return fmt.Errorf("sqldb: a job in %s waits for another job, which waits for it", db.cfg.Context)
	}
	result := make(chan error, 1)
	if err := db.Submit(ctx, j, func(err error) { result <- err }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return &dbError{ErrUnavailable, ctx.Err()}
	}
}

// Submit hands a job to a lane; done is called once, from the lane, with the job's outcome, and must be quick. It waits while the lane's queue is full.
// A job whose ctx has ended before its turn is not run. Errors, with done not called: ErrUnavailable when ctx ends or the database is closed.
func (db *DB) Submit(ctx context.Context, j Job, done func(error)) error {
	l := db.laneOf(j.Key)
	select {
	case l.room <- struct{}{}:
	case <-ctx.Done():
		return &dbError{ErrUnavailable, ctx.Err()}
	}
	err := l.push(&job{Job: j, ctx: ctx, done: done, counted: true})
	if err != nil {
		<-l.room
	}
	return err
}

// Push is Submit for those who must not wait and have a bound of their own. Errors, with done not called: ErrUnavailable when the database is closed.
func (db *DB) Push(ctx context.Context, j Job, done func(error)) error {
	return db.laneOf(j.Key).push(&job{Job: j, ctx: ctx, done: done})
}

// Waiting is how many jobs wait for a transaction.
func (db *DB) Waiting() int {
	n := 0
	for _, l := range db.lanes {
		n += l.length()
	}
	return n
}

var laneSeed = maphash.MakeSeed()

func (db *DB) laneOf(key string) *lane {
	if len(db.lanes) == 1 {
		return db.lanes[0]
	}
	return db.lanes[maphash.String(laneSeed, key)%uint64(len(db.lanes))]
}

// commit carries the batch to an outcome for each of its jobs: all together, or, when one spoils the transaction, in parts without it, in the same order.
// The error says that the database is gone; then all have it.
func (l *lane) commit(batch []*job, turn *turn) error {
	if len(batch) == 0 {
		return nil
	}
	err := l.insist(batch, turn)
	switch {
	case err == nil:
		return nil
	case l.unreachable(err):
		fail(batch, err)
		return err
	case len(batch) == 1:
		fail(batch, err)
		return nil
	}
	l.db.stats.Alone.Add(1)
	parts := l.split(batch)
	for i, part := range parts {
		if err := l.commit(wanted(part), turn); err != nil {
			for _, rest := range parts[i+1:] {
				fail(rest, err)
			}
			return err
		}
	}
	return nil
}

// split takes the job that spoiled the batch out of it. When it was none, but a preparation or a queued row, it divides the batch in two.
func (l *lane) split(batch []*job) [][]*job {
	i := slices.Index(batch, l.spoiler)
	if i < 0 {
		return [][]*job{batch[:len(batch)/2], batch[len(batch)/2:]}
	}
	return [][]*job{batch[:i], batch[i : i+1], batch[i+1:]}
}

// wanted leaves out the jobs for which nobody waits any more.
func wanted(part []*job) []*job {
	wanted := make([]*job, 0, len(part))
	for _, j := range part {
		if ended := j.ctx.Err(); ended != nil {
			j.err = &dbError{ErrUnavailable, ended}
			continue
		}
		wanted = append(wanted, j)
	}
	return wanted
}

func fail(batch []*job, err error) {
	for _, j := range batch {
		j.err = err
	}
}

// unreachable tells a database that is gone from one that refuses a single job, such as a statement that takes too long.
func (l *lane) unreachable(err error) bool { return l.conn == nil && errors.Is(err, ErrUnavailable) }

// insist repeats the batch while repeating can help. After a commit of unknown outcome that is safe, because every job finds by
// its key what it did already.
func (l *lane) insist(batch []*job, turn *turn) (err error) {
	assume, attempt := l.mayAssume(batch), 1
	spans, span := l.traced(batch)
	if span != nil {
		defer func() {
			span.SetAttributes(telemetry.Attempts.Int(attempt))
			end(span, err)
		}()
	}
	for ; ; attempt++ {
		err := l.attempt(spans, batch, assume, turn)
		wrong := err != nil && assume
		assume = false
		switch {
		case err == nil:
			return nil
		case wrong && !errors.Is(err, errUnknownCommit) && !l.unreachable(err):
			l.db.stats.Wrong.Add(1)
			l.cautious = caution
			continue
		case errors.Is(err, errUnknownCommit):
			l.db.stats.UnknownCommits.Add(1)
		case errors.Is(err, ErrDuplicate) && len(batch) == 1 && attempt == 1: // somebody was faster, and the job will find it
			l.db.stats.Retries.Add(1)
			continue
		case errors.Is(err, errRetry), l.unreachable(err) && attempt < 3:
			l.db.stats.Retries.Add(1)
		default:
			return err
		}
		if attempt == maxAttempts {
			if errors.Is(err, ErrStale) {
				return err // not the database's fault: alone, one of the batch may get through
			}
			return &dbError{ErrUnavailable, err}
		}
		time.Sleep(jitter(time.Duration(attempt*attempt)*2*time.Millisecond, rand.Float64()))
	}
}

// mayAssume reports whether the batch has something to assume, and the lane was not wrong lately.
func (l *lane) mayAssume(batch []*job) bool {
	if l.cautious > 0 {
		l.cautious--
		return false
	}
	return slices.ContainsFunc(batch, func(j *job) bool { return j.Kind != nil && j.Kind.Assume != nil })
}

// attempt is the one place where transactions begin and end.
// spans is where the spans of its statements belong; nil when nobody wants them.
func (l *lane) attempt(spans context.Context, batch []*job, assume bool, turn *turn) (err error) {
	defer l.db.measure(time.Now(), len(batch), &err)
	ctx := context.Background() // deadlines are the server's and the socket's; a caller that leaves must not take its neighbours along
	conn, err := l.dial(ctx)
	if err != nil {
		return err
	}
	if err := conn.begin(ctx); err != nil {
		l.hangUp()
		return translate(err)
	}
	tx := &Tx{db: l.db, conn: conn, spans: spans}
	l.spoiler = nil
	defer func() {
		if err != nil {
			l.rollback(ctx, tx, err)
		}
	}()
	if err := prepareKinds(ctx, tx, batch, assume); err != nil {
		return err
	}
	for _, j := range batch {
		j.err = nil
		switch err := runJob(ctx, tx, j); {
		case err == nil:
			tx.keep()
		case tx.dirty, j.Kind != nil && j.Kind.Claims:
			l.spoiler = j
			return err
		default:
			j.err = err
			tx.drop()
		}
	}
	failpoint.Hit("before_commit")
	if err := guard(tx, func() error { return tx.commit(ctx, turn) }); err != nil {
		return l.commitFailed(err)
	}
	failpoint.Hit("after_commit")
	l.db.stats.Commits.Add(1)
	for _, fn := range tx.batch.after {
		fn()
	}
	for _, w := range tx.written {
		w.many.Written(w.rows, w.ids)
	}
	return nil
}

// rollback ends a transaction that failed with err. A connection on which that is impossible, or that leads to a server which
// takes no writes, is given up.
func (l *lane) rollback(ctx context.Context, tx *Tx, err error) {
	if l.conn != nil && (l.conn.rollback(ctx) != nil || errors.Is(err, errReadOnly)) {
		l.hangUp()
	}
	for _, fn := range slices.Concat(tx.batch.undone, tx.own.undone) {
		fn()
	}
}

// commitFailed tells a commit that the server refused, with all that was to be written with it, from one that was never answered. After the latter only the jobs'
// keys can tell what happened.
func (l *lane) commitFailed(err error) error {
	meaning := translate(err)
	refused := pq.As(err)
	unknown := refused == nil && !errors.Is(err, errDefect) || errors.Is(meaning, ErrUnavailable) && (refused == nil || refused.Code != pqerror.QueryCanceled)
	if l.db.dialect == Postgres && unknown {
		l.hangUp()
		return &dbError{errUnknownCommit, meaning}
	}
	if errors.Is(meaning, errReadOnly) {
		return &dbError{ErrUnavailable, meaning}
	}
	return meaning
}

// prepareKinds lets every kind in the batch prepare all its jobs at once, or assume what it can.
func prepareKinds(ctx context.Context, tx *Tx, batch []*job, assume bool) error {
	var kinds []*Kind
	args := map[*Kind][]any{}
	for _, j := range batch {
		if j.Kind == nil {
			continue
		}
		if _, seen := args[j.Kind]; !seen {
			kinds = append(kinds, j.Kind)
		}
		args[j.Kind] = append(args[j.Kind], j.Arg)
	}
	for _, k := range kinds {
		prepare := k.Prepare
		if assume && k.Assume != nil {
			prepare = k.Assume
		}
		if err := guard(tx, func() error { return prepare(ctx, tx, args[k]) }); err != nil {
			return err
		}
		tx.keep()
	}
	return nil
}

func runJob(ctx context.Context, tx *Tx, j *job) error {
	return guard(tx, func() error { return j.Run(valuesOf{ctx, j.ctx, tx.db}, tx) })
}

// guard runs a part of the transaction. A panic is an error of that part; so is a statement that failed, whatever the part says: PostgreSQL answers
// the COMMIT of a transaction in which a statement failed with a friendly ROLLBACK.
func guard(tx *Tx, part func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			tx.dirty = true
			err = fmt.Errorf("%w: panic: %v\n%s", errDefect, p, debug.Stack())
		}
	}()
	if err := part(); err != nil {
		return err
	}
	return tx.failed
}

// valuesOf has the deadline of the lane (none) and the values of the caller's context.
type valuesOf struct {
	context.Context
	caller context.Context
	db     *DB
}

// insideKey is how a job's context says which database waits for it.
type insideKey struct{}

func (c valuesOf) Value(key any) any {
	if key == (insideKey{}) {
		return c.db
	}
	return c.caller.Value(key)
}
