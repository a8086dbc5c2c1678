package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Many with Last is for rows that many jobs of a batch, and many transactions, change: the stock of a product, the state of an
// aggregate. Its queued rows are held back until every job has run, and of several rows with the same first column only the
// one queued last is written, so a job queues what the whole transaction has done to the row so far. That works for
// changes ("+3") as well as for values, since nothing is written in between.
//
// The rows go out sorted by their first column and the statements in the order of Last, so that all transactions lock in the same
// order and hold the locks only while they commit. With Exact, a row that changes nothing means that another transaction was faster:
// the jobs run again, on what is then in the database.

// lastKey names a row that is written once.
type lastKey struct {
	many *Many
	key  any
}

// takeLast empties what waits for the end: for each row what was queued last, sorted, the statements in their order.
func (tx *Tx) takeLast() []manyRows {
	rows := make(map[*Many][][]any, 4)
	seen := make(map[lastKey]bool, len(tx.batch.last))
	for _, q := range slices.Backward(tx.batch.last) {
		if k := (lastKey{q.many, q.row[0]}); !seen[k] {
			seen[k] = true
			rows[q.many] = append(rows[q.many], q.row)
		}
	}
	tx.batch.last = nil
	all := make([]manyRows, 0, len(rows))
	for m, some := range rows {
		slices.SortFunc(some, byFirstColumn)
		all = append(all, manyRows{many: m, rows: some})
	}
	slices.SortFunc(all, func(a, b manyRows) int { return cmp.Compare(a.many.Last, b.many.Last) })
	return all
}

// commit writes what was queued, then the rows that wait for the end, and ends the transaction.
func (tx *Tx) commit(ctx context.Context, turn *turn) error {
	if tx.failed != nil {
		return tx.failed
	}
	queued := append(tx.takeQueued(), tx.takeLast()...)
	span := tx.statement(commit, queued)
	err := translate(tx.conn.commit(ctx, queued, turn))
	tx.note(queued)
	end(span, err)
	if errors.Is(err, ErrStale) {
		return &dbError{errRetry, err}
	}
	return err
}

func byFirstColumn(a, b []any) int {
	switch a := a[0].(type) {
	case string:
		return cmp.Compare(a, b[0].(string))
	case int64:
		return cmp.Compare(a, b[0].(int64))
	}
	panic(fmt.Sprintf("sqldb: %T cannot be the first column of a statement with Last", a[0]))
}
