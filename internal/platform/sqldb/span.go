package sqldb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/lib/pq"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/telemetry"
)

// A transaction belongs to many traces: to that of each job in it. Its spans are in the first one's, and the others have a link to it.

// leader is the first job whose trace is sampled; nil when there is none.
func leader(batch []*job) *job {
	for _, j := range batch {
		if telemetry.Sampled(j.ctx) {
			return j
		}
	}
	return nil
}

// traced begins the span of a batch's transaction, if one of its jobs wants to know: otherwise both are nil. The ctx is for the spans of its statements.
func (l *lane) traced(batch []*job) (context.Context, trace.Span) {
	first := leader(batch)
	if first == nil {
		return nil, nil
	}
	sctx, span := telemetry.Start(context.WithoutCancel(first.ctx), telemetry.SpanTransaction+" "+l.db.cfg.Context, trace.SpanKindInternal,
		telemetry.DBSystem.String(l.db.system()), telemetry.DBNamespace.String(l.db.cfg.Context), telemetry.Jobs.Int(len(batch)))
	if len(batch) > 1 {
		shared := trace.Link{SpanContext: span.SpanContext()}
		own := trace.SpanContextFromContext(first.ctx)
		for _, j := range batch {
			with := trace.SpanFromContext(j.ctx)
			if j == first || !with.IsRecording() || with.SpanContext().Equal(own) {
				continue
			}
			with.AddLink(shared)
			span.AddLink(trace.Link{SpanContext: with.SpanContext()})
		}
	}
	return sctx, span
}

// statement begins the span of a round trip: a statement, and the rows that go out with it. If the whole transaction is one round trip, its own span says what that was.
func (tx *Tx) statement(query string, queued []manyRows) trace.Span {
	if tx.spans == nil {
		return nil
	}
	name := summaryOf(query)
	summary, statements := name, 1
	if len(queued) > 0 {
		var b strings.Builder
		for _, q := range queued {
			b.WriteString(summaryOf(q.many.SQL))
			b.WriteString("; ")
			statements += len(q.rows)
		}
		b.WriteString(name)
		summary = b.String()
	}
	if query == commit && !tx.stated {
		trace.SpanFromContext(tx.spans).SetAttributes(tx.db.attributes(summary, statements)...)
		return nil
	}
	tx.stated = true
	_, span := telemetry.Start(tx.spans, name, trace.SpanKindClient, tx.db.attributes(summary, statements)...)
	return span
}

// commit is the statement that ends a transaction.
const commit = "COMMIT"

// readSpan begins the span of a statement outside transactions.
func (db *DB) readSpan(ctx context.Context, query string) trace.Span {
	if !telemetry.Sampled(ctx) {
		return nil
	}
	name := summaryOf(query)
	_, span := telemetry.Start(ctx, name, trace.SpanKindClient, db.attributes(name, 1)...)
	return span
}

func (db *DB) attributes(summary string, statements int) []attribute.KeyValue {
	all := []attribute.KeyValue{telemetry.DBSystem.String(db.system()), telemetry.DBNamespace.String(db.cfg.Context), telemetry.DBSummary.String(summary)}
	if statements > 1 {
		all = append(all, telemetry.DBBatchSize.Int(statements))
	}
	return all
}

// system is the convention's word for the kind of database.
func (db *DB) system() string {
	if db.dialect == Postgres {
		return "postgresql"
	}
	return "sqlite"
}

// end ends a span of the database.
func end(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil && !errors.Is(err, ErrNoRows) {
		if refused := pq.As(err); refused != nil {
			span.SetAttributes(telemetry.DBStatusCode.String(string(refused.Code)))
		}
		telemetry.Fail(span, kindOf(err))
	}
	span.End()
}

// kindOf names an error for those who look at a span.
func kindOf(err error) string {
	for _, k := range [...]struct {
		err  error
		name string
	}{{errUnknownCommit, "unknown_commit"}, {ErrDuplicate, "duplicate"}, {ErrStale, "stale"}, {ErrCheck, "check"}, {ErrDenied, "denied"}, {errRetry, "conflict"}, {ErrUnavailable, "unavailable"}} {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "error"
}

// summaries of the texts seen. There are few, since texts are constants; see maxPrepared.
var summaries sync.Map

// summaryOf says of a statement what it does to which tables: INSERT events, SELECT orders order_summaries.
func summaryOf(query string) string {
	if s, ok := summaries.Load(query); ok {
		return s.(string)
	}
	s := summarize(query)
	summaries.Store(query, s)
	return s
}

// summarize takes the first word, and the words that follow INTO, FROM, UPDATE and JOIN and are names of tables.
func summarize(query string) string {
	words := strings.FieldsFunc(query, func(r rune) bool { return strings.ContainsRune(" \t\n,;()", r) })
	if len(words) == 0 {
		return ""
	}
	verb := strings.ToUpper(words[0])
	parts := []string{verb}
	for i, w := range words[:len(words)-1] {
		switch strings.ToUpper(w) {
		case "INTO", "FROM", "UPDATE", "JOIN":
			table := words[i+1]
			if isName(table) && !slices.Contains(parts, table) {
				parts = append(parts, table)
			}
		}
	}
	return strings.Join(parts, " ")
}

func isName(word string) bool {
	switch strings.ToUpper(word) {
	case "SET", "SELECT", "UNNEST", "LATERAL", "VALUES", "ONLY":
		return false
	}
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == ""
}
