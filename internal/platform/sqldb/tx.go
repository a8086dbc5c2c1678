package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"strings"
)

// Tx is a transaction, shared by the jobs of a batch. It is used by one goroutine.
//
// A job that returns an error before it changed anything in the database takes nothing with it: what it queued, its
// locals and its hooks are dropped, and its neighbours go on. A statement that fails ends the transaction, on either dialect: the
// statements after it fail with its error, and so does the job, even if it returns none.
type Tx struct {
	db    *DB
	conn  conn
	batch state // of the jobs that succeeded
	own   state // of the job that runs now
	dirty bool  // the present job changed the database, or its statement failed

	spans   context.Context // where those of its statements belong; nil when nobody wants them
	stated  bool            // one of them was begun
	written []manyRows      // of statements that want to know
	failed  error           // of the first statement that failed: nothing can be done in this transaction any more
}

type state struct {
	queued []queued
	last   []queued // rows of statements that wait for the end
	after  []func()
	undone []func() // run if the transaction is rolled back
	locals map[any]any
}

type queued struct {
	many *Many
	row  []any
}

// Dialect says which kind of database this is.
func (tx *Tx) Dialect() Dialect { return tx.db.dialect }

// Exec runs a statement that changes rows and says how many. What was queued before is written first.
// Errors: ErrDuplicate, ErrCheck, ErrDenied, ErrUnavailable.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = tx.run(query, true, func(queued []manyRows) (err error) {
		changed, err = tx.conn.exec(ctx, queued, query, args)
		return err
	})
	return changed, err
}

// Get reads one row into dest; with INSERT, UPDATE or DELETE … RETURNING it may also write. What was queued before is written
// first. Errors: ErrNoRows and those of Exec.
func (tx *Tx) Get(ctx context.Context, dest any, query string, args ...any) error {
	return tx.run(query, !isSelect(query), func(queued []manyRows) error { return tx.conn.get(ctx, queued, dest, query, args) })
}

// Select is Get for any number of rows; dest points to a slice.
func (tx *Tx) Select(ctx context.Context, dest any, query string, args ...any) error {
	return tx.run(query, !isSelect(query), func(queued []manyRows) error { return tx.conn.selectAll(ctx, queued, dest, query, args) })
}

func isSelect(query string) bool { return strings.HasPrefix(strings.TrimSpace(query), "SELECT") }

func (tx *Tx) run(query string, writes bool, do func(queued []manyRows) error) error {
	if tx.failed != nil {
		return tx.failed
	}
	dirty := tx.dirty || len(tx.own.queued) > 0 // rows of earlier jobs do not bind the present one: it may still fail alone
	queued := tx.takeQueued()
	span := tx.statement(query, queued)
	err := do(queued)
	tx.note(queued)
	end(span, translate(err))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return tx.fail(translate(err))
	}
	tx.dirty = dirty || writes
	return err
}

// fail ends the transaction: a failed statement aborts it on PostgreSQL, and may have rolled it back on SQLite.
func (tx *Tx) fail(err error) error {
	if errors.Is(err, errReadOnly) { // a server that became a standby, a disk that was remounted
		err = &dbError{ErrUnavailable, err}
	}
	tx.dirty, tx.failed = true, err
	return err
}

// Queue adds a row to those that the statement writes at the end of the transaction, or before the next statement of
// this transaction. Rows of one statement are written together, so two of them must not change the same row of the table (Last is for
// that), and statements follow one another in the order of their first rows. Its errors appear there: ErrDuplicate, ErrCheck, ErrStale fail the batch, which is then run again in parts. Rows of a
// statement with Last wait for the end in any case.
func (tx *Tx) Queue(m *Many, row ...any) {
	if m.Last > 0 {
		tx.own.last = append(tx.own.last, queued{m, row})
		return
	}
	tx.own.queued = append(tx.own.queued, queued{m, row})
}

// takeQueued empties the queue, the rows of each statement together.
func (tx *Tx) takeQueued() []manyRows {
	var all []manyRows
	var counts []int
	place := make(map[*Many]int, 8)
	both := [...][]queued{tx.batch.queued, tx.own.queued}
	for _, some := range both {
		for _, q := range some {
			i, seen := place[q.many]
			if !seen {
				i = len(all)
				place[q.many] = i
				all, counts = append(all, manyRows{many: q.many}), append(counts, 0)
			}
			counts[i]++
		}
	}
	for i := range all {
		all[i].rows = make([][]any, 0, counts[i])
	}
	for _, some := range both {
		for _, q := range some {
			i := place[q.many]
			all[i].rows = append(all[i].rows, q.row)
		}
	}
	tx.batch.queued, tx.own.queued = tx.batch.queued[:0], tx.own.queued[:0]
	for i := range all {
		if fold := all[i].many.Fold; fold != nil {
			all[i].rows = fold(all[i].rows)
		}
	}
	return all
}

// note remembers what was written for the statements that want to know.
func (tx *Tx) note(queued []manyRows) {
	for _, q := range queued {
		if q.many.Written != nil {
			tx.written = append(tx.written, q)
		}
	}
}

// ExecMany runs the statement over the rows now and says how many rows it changed. Errors: those of Exec, and ErrStale.
func (tx *Tx) ExecMany(ctx context.Context, m *Many, rows [][]any) (int64, error) {
	var n int64
	var err error
	if tx.db.dialect == Postgres {
		texts, args := m.call(rows)
		n, err = tx.Exec(ctx, texts.plain, args...)
	} else {
		m.compile()
		for _, row := range rows {
			var one int64
			if one, err = tx.Exec(ctx, m.sqlite, row...); err != nil {
				break
			}
			n += one
		}
	}
	if err == nil && m.Exact && n != int64(len(rows)) {
		return n, tx.fail(ErrStale)
	}
	return n, err
}

// SelectMany runs a statement with RETURNING, or a SELECT, over the rows and appends what it returns to dest.
func SelectMany[T any](ctx context.Context, tx *Tx, m *Many, rows [][]any, dest *[]T) error {
	if tx.db.dialect == Postgres {
		texts, args := m.call(rows)
		return tx.Select(ctx, dest, texts.plain, args...)
	}
	m.compile()
	for _, row := range rows {
		var some []T
		if err := tx.Select(ctx, &some, m.sqlite, row...); err != nil {
			return err
		}
		*dest = append(*dest, some...)
	}
	return nil
}

// Local returns what a job of this transaction put under key: its view of a row that was read or changed already. The value must not be changed
// in place, because the job that put it may yet fail; put a changed copy instead.
func (tx *Tx) Local(key any) (any, bool) {
	if v, ok := tx.own.locals[key]; ok {
		return v, true
	}
	v, ok := tx.batch.locals[key]
	return v, ok
}

// SetLocal remembers v under key until the transaction ends.
func (tx *Tx) SetLocal(key, v any) {
	if tx.own.locals == nil {
		tx.own.locals = map[any]any{}
	}
	tx.own.locals[key] = v
}

// AfterCommit runs fn once the transaction is durable, in the order of the calls, before anybody is told. It must be quick.
func (tx *Tx) AfterCommit(fn func()) { tx.own.after = append(tx.own.after, fn) }

// AfterRollback runs fn if what the job did is undone or its outcome is unknown: whoever keeps a copy of rows in memory forgets it there.
func (tx *Tx) AfterRollback(fn func()) { tx.own.undone = append(tx.own.undone, fn) }

// keep makes the present job's state the batch's.
func (tx *Tx) keep() {
	tx.batch.queued = append(tx.batch.queued, tx.own.queued...)
	tx.batch.last = append(tx.batch.last, tx.own.last...)
	tx.batch.after = append(tx.batch.after, tx.own.after...)
	tx.batch.undone = append(tx.batch.undone, tx.own.undone...)
	if tx.batch.locals == nil {
		tx.batch.locals, tx.own.locals = tx.own.locals, nil
	} else {
		maps.Copy(tx.batch.locals, tx.own.locals)
	}
	tx.own.empty()
	tx.dirty = false
}

// drop forgets the state of the present job, which failed.
func (tx *Tx) drop() {
	for _, fn := range tx.own.undone {
		fn()
	}
	tx.own.empty()
	tx.dirty = false
}

// empty makes room for the next job.
func (s *state) empty() {
	s.queued, s.last, s.after, s.undone = s.queued[:0], s.last[:0], s.after[:0], s.undone[:0]
	clear(s.locals)
}
