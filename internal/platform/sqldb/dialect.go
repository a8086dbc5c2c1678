package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"shop/internal/platform/fault"
)

// Dialect is a kind of database. The seam is meant to stay this small.
type Dialect uint8

const (
	SQLite   Dialect = iota // the embedded default
	Postgres                // PostgreSQL 15 or newer
)

// String is the dialect's name in logs.
func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

var (
	// ErrNoRows: a Get found nothing. It is sql.ErrNoRows.
	ErrNoRows = sql.ErrNoRows
	// ErrDuplicate: a unique key already exists.
	ErrDuplicate = errors.New("sqldb: duplicate key")
	// ErrCheck: a CHECK, NOT NULL or foreign key constraint refused the row.
	ErrCheck = errors.New("sqldb: constraint violated")
	// ErrStale: a statement marked Exact changed fewer rows than it was given: somebody else was faster.
	ErrStale = errors.New("sqldb: row changed meanwhile")
	// ErrDenied: the role may not touch that table.
	ErrDenied = errors.New("sqldb: permission denied")
	// ErrUnavailable: the database cannot be reached, is full, or did not answer in time. The fault that clients see as 503.
	ErrUnavailable = fault.New(fault.Unavailable, "database_unavailable", "the database does not answer; try again")

	errRetry         = errors.New("sqldb: serialization failure")
	errReadOnly      = errors.New("sqldb: nothing can be written here")
	errBadConn       = driver.ErrBadConn
	errUnknownCommit = errors.New("sqldb: it is unknown whether the transaction was committed")
)

// dbError joins what the driver said with what it means to us.
type dbError struct{ meaning, cause error }

func (e *dbError) Error() string   { return e.meaning.Error() + ": " + e.cause.Error() }
func (e *dbError) Unwrap() []error { return []error{e.meaning, e.cause} }

// translate says by error code, never by message text, what a driver's error means.
func translate(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if meaning := meaningOf(err); meaning != nil {
		return &dbError{meaning, err}
	}
	return err
}

func meaningOf(err error) error {
	if pe := pq.As(err); pe != nil {
		return postgresMeaning(pe.Code)
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		return sqliteMeaning(se.Code())
	}
	var ne net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.As(err, &ne) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return ErrUnavailable
	}
	return nil
}

func postgresMeaning(code pqerror.Code) error {
	switch code {
	case pqerror.UniqueViolation:
		return ErrDuplicate
	case pqerror.DivisionByZero: // see Many.exact
		return ErrStale
	case pqerror.LockNotAvailable:
		return errRetry
	case pqerror.ReadOnlySQLTransaction:
		return errReadOnly
	case pqerror.InsufficientPrivilege:
		return ErrDenied
	case pqerror.QueryCanceled:
		return ErrUnavailable
	}
	switch string(code)[:2] {
	case "23": // integrity constraint violation
		return ErrCheck
	case "40": // transaction rollback: serialization failure, deadlock
		return errRetry
	case "08", "28", "3D", "53", "57", "58": // connection, who we are, which database, resources, operator intervention, system error
		return ErrUnavailable
	}
	return nil
}

func sqliteMeaning(code int) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return ErrDuplicate
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CONSTRAINT:
		return ErrCheck
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return errRetry
	case sqlite3.SQLITE_READONLY:
		return errReadOnly
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrUnavailable
	}
	return nil
}

var listNotation = regexp.MustCompile(`IN \{(\$\d+)\}`)

// rewrite turns our three notations into the dialect's SQL; args say which type a list has.
func (d Dialect) rewrite(text string, args []any) string {
	if !strings.Contains(text, "{") {
		return text
	}
	text = listNotation.ReplaceAllStringFunc(text, func(m string) string {
		param := m[len("IN {") : len(m)-1]
		if d == SQLite {
			return "IN (SELECT value FROM json_each(" + param + "))"
		}
		typ := "text[]"
		if i, _ := strconv.Atoi(param[1:]); i >= 1 && i <= len(args) {
			if _, ok := args[i-1].([]int64); ok {
				typ = "bigint[]"
			}
		}
		return "= ANY(" + param + "::" + typ + ")"
	})
	lock := ""
	if d == Postgres {
		lock = "FOR UPDATE"
	}
	return strings.ReplaceAll(text, "{for update}", lock)
}

// bind replaces what a driver would not take as it is meant: a list becomes the dialect's literal, a PostgreSQL array or a JSON array,
// and bytes become text, unless they are a Blob. The caller's slice stays as it is.
func (d Dialect) bind(args []any) []any {
	bound := args
	for i, a := range args {
		var v any
		switch a := a.(type) {
		case []string:
			lit := d.openList(len(a) * 32)
			for _, s := range a {
				lit = append(d.appendString(lit, s), ',')
			}
			v = d.closeList(lit)
		case []int64:
			lit := d.openList(len(a) * 12)
			for _, n := range a {
				lit = append(strconv.AppendInt(lit, n, 10), ',')
			}
			v = d.closeList(lit)
		case JSON:
			v = a.param()
		case Blob:
			if v = []byte(a); d == Postgres {
				v = string(a.appendHex([]byte{'\\'}))
			}
		case []byte:
			if v = nil; a != nil {
				v = string(a)
			}
		default:
			continue
		}
		if &bound[0] == &args[0] {
			bound = slices.Clone(args)
		}
		bound[i] = v
	}
	return bound
}

func (d Dialect) openList(size int) []byte {
	open := byte('[')
	if d == Postgres {
		open = '{'
	}
	return append(make([]byte, 0, size+2), open)
}

func (d Dialect) closeList(lit []byte) string {
	if n := len(lit); lit[n-1] == ',' {
		lit = lit[:n-1]
	}
	if d == Postgres {
		return string(append(lit, '}'))
	}
	return string(append(lit, ']'))
}

func (d Dialect) appendString(lit []byte, s string) []byte {
	if d == SQLite {
		return appendJSONString(lit, s)
	}
	lit = append(lit, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			lit = append(lit, '\\')
		}
		lit = append(lit, s[i])
	}
	return append(lit, '"')
}
