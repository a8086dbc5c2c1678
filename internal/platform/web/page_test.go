package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/web"
)

func TestAListIsWalkedToItsEndByCursorAndByLink(t *testing.T) {
	s := open(t)
	a := s.send(t, "GET", "/v1/orders?limit=2&status=pending", "")
	a.is(t, http.StatusOK, `{"data":[{"sku":"a","quantity":1},{"sku":"b","quantity":2}],"has_more":true,"next_cursor":"Yg"}`)
	link := a.Header.Get("Link")
	require.Equal(t, `</v1/orders?after=Yg&limit=2&status=pending>; rel="next"`, link)

	b := s.send(t, "GET", regexp.MustCompile(`<(.*)>`).FindStringSubmatch(link)[1], "")
	b.is(t, http.StatusOK, `{"data":[{"sku":"c","quantity":3}],"has_more":false,"next_cursor":null}`)
	require.Empty(t, b.Header.Get("Link"))
	s.send(t, "GET", "/v1/orders?after=Yw", "").is(t, http.StatusOK, `{"data":[],"has_more":false,"next_cursor":null}`)
}

func TestAPageIsCutToItsLimit(t *testing.T) {
	cursor := func(s string) string { return web.Cursor(s) }
	for rows, want := range map[string]string{"": "", "a": "a", "ab": "ab", "abc": "ab"} {
		page := web.NewPage(strings.Split(rows, "")[:len(rows)], 2, cursor)
		require.Equal(t, want, strings.Join(page.Data, ""))
		require.Equal(t, len(rows) == 3, page.HasMore)
		require.Equal(t, page.HasMore, page.NextCursor != nil)
	}
	b, err := json.Marshal(web.NewPage[string](nil, 2, cursor))
	require.NoError(t, err)
	require.JSONEq(t, `{"data":[],"has_more":false,"next_cursor":null}`, string(b))
}

func TestACursorComesBackAsItWasMade(t *testing.T) {
	for _, parts := range [][]string{{""}, {"a"}, {"2026-11-22T12:00:00Z", "ord_1"}, {"", ""}, {"é", "?&=%", "x"}} {
		s := web.Cursor(parts...)
		require.Equal(t, s, url.QueryEscape(s), "needs no escaping")
		back, err := web.ParseCursor(s, len(parts))
		if s == "" {
			require.Nil(t, back)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, parts, back)
	}
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	for _, s := range []string{"!", "Yg==", "Yh", web.Cursor("a", "b"), web.Cursor("\xff"), "YWI\n"} {
		_, err := web.ParseCursor(s, 1)
		require.ErrorIs(t, err, web.ErrInvalidCursor, s)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("Yg", 1)
	f.Add(web.Cursor("a", "b"), 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		parts, err := web.ParseCursor(s, n)
		if err != nil || parts == nil {
			return
		}
		require.Len(t, parts, n)
		require.Equal(t, s, web.Cursor(parts...), "only one spelling")
		for _, p := range parts {
			require.True(t, utf8.ValidString(p) && !strings.Contains(p, "\x00"))
		}
	})
}
