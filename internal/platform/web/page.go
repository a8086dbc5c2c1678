package web

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"shop/internal/platform/fault"
)

// MaxLimit and DefaultLimit bound the length of a page.
const (
	MaxLimit     = 200
	DefaultLimit = 50
)

// PageParams are the parameters of every list. Embed it in an operation's input.
type PageParams struct {
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many items"`
	After string `query:"after" maxLength:"512" doc:"next_cursor of the page before"`
}

// Page is the answer of every list. An operation that returns one also sends Link: rel="next" (RFC 8288).
type Page[T any] struct {
	Data       []T     `json:"data" doc:"The items of this page"`
	HasMore    bool    `json:"has_more" doc:"Whether there is another page"`
	NextCursor *string `json:"next_cursor" nullable:"true" doc:"Pass it as ?after= to get the next page; null on the last" example:"b3JkXzAx"`

	encoded []byte
}

// Encoded is the page with its JSON, for one that answers many requests. Errors: those of encoding/json.
func (p Page[T]) Encoded() (_ Page[T], err error) {
	p.encoded, err = encode(p)
	return p, err
}

// Size is the length of the page's JSON; 0 if it is not Encoded.
func (p Page[T]) Size() int { return len(p.encoded) }

// NewPage makes a page of at most limit items from a query that asked for limit+1 rows: the extra row only tells that
// there is more. cursor gives the parts that continue after an item, see Cursor.
func NewPage[T any](rows []T, limit int, cursor func(last T) string) Page[T] {
	if rows == nil {
		rows = []T{}
	}
	if len(rows) <= limit {
		return Page[T]{Data: rows}
	}
	rows = rows[:limit]
	next := cursor(rows[limit-1])
	return Page[T]{Data: rows, HasMore: true, NextCursor: &next}
}

// listed is any Page.
type listed interface {
	nextCursor() string
	json() []byte // nil: to be encoded
}

func (p Page[T]) json() []byte { return p.encoded }

func (p Page[T]) nextCursor() string {
	if p.NextCursor == nil {
		return ""
	}
	return *p.NextCursor
}

// nextLink is the value of the Link header: the same request, after the cursor.
func nextLink(u url.URL, cursor string) string {
	q := u.Query()
	q.Set("after", cursor)
	return "<" + u.EscapedPath() + "?" + q.Encode() + `>; rel="next"`
}

// ErrInvalidCursor: the cursor was not made by this list.
var ErrInvalidCursor = fault.New(fault.Invalid, "invalid_cursor", "the cursor is not one this list has given").
	With(fault.Field{Location: "query.after", Detail: "expected next_cursor of an earlier page"})

// Cursor packs the sort key of a row into an opaque string. The parts must not contain NUL; no stored text does.
func Cursor(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

// ParseCursor unpacks a cursor of n parts. The empty cursor is the first page: nil and no error.
// Errors: ErrInvalidCursor.
func ParseCursor(s string, n int) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || !utf8.Valid(b) || base64.RawURLEncoding.EncodeToString(b) != s { // decoding skips line breaks
		return nil, ErrInvalidCursor
	}
	parts := strings.Split(string(b), "\x00")
	if len(parts) != n {
		return nil, ErrInvalidCursor
	}
	return parts, nil
}
