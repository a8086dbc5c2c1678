package catalog

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/web"
)

func TestAPageIsReadOnceAndAgainAsSoonAsAnybodyChangedTheCatalog(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		read := func(of *Module, after string) string {
			page, err := of.handleList(t.Context(), &listInput{PageParams: web.PageParams{After: after, Limit: 2}})
			require.NoError(t, err)
			raw, err := web.JSON(200, page)
			require.NoError(t, err)
			return string(raw.Body)
		}
		other := host(t, m.db) // another replica
		for _, s := range mugs(5) {
			mustPut(t, m, s)
		}
		first := read(m, "")
		require.Contains(t, first, "MUG-00001")
		before := m.db.Stats().Reads.Load()
		require.Equal(t, first, read(m, ""))
		require.EqualValues(t, 1, m.db.Stats().Reads.Load()-before, "the counter of changes alone")
		require.Equal(t, first, read(other, ""))

		changed := mugs(1)[0]
		changed.Name = "A new name"
		mustPut(t, other, changed)
		require.Contains(t, read(m, ""), "A new name")
		next, err := m.handleList(t.Context(), &listInput{PageParams: web.PageParams{Limit: 2}})
		require.NoError(t, err)
		require.NotNil(t, next.NextCursor, "the header needs it")
		require.Contains(t, read(m, *next.NextCursor), "MUG-00003")
	})
}

func TestRememberedPagesAreBoundedAndThoseOfAnEarlierChangeAreWorthless(t *testing.T) {
	var c pages
	page := func(description string) web.Page[productBody] {
		p, err := web.Page[productBody]{Data: []productBody{{Description: description}}}.Encoded()
		require.NoError(t, err)
		return p
	}
	long := strings.Repeat("x", pagesBytes/3)
	for i := range 10 {
		k := pageKey{fmt.Sprint(i), 1}
		c.keep(7, k, page(long))
		_, known := c.get(7, k)
		require.True(t, known)
		require.LessOrEqual(t, c.bytes, pagesBytes)
	}
	_, known := c.get(7, pageKey{"0", 1})
	require.False(t, known)
	c.keep(7, pageKey{"huge", 1}, page(strings.Repeat("x", pagesBytes)))
	_, known = c.get(7, pageKey{"huge", 1})
	require.False(t, known)

	c.keep(6, pageKey{"late", 1}, page("read before the change"))
	_, known = c.get(6, pageKey{"late", 1})
	require.False(t, known)
	c.keep(8, pageKey{"new", 1}, page(""))
	_, known = c.get(7, pageKey{"9", 1})
	require.False(t, known)
}

func TestAListIsTheSameHoweverOftenItIsAskedFor(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		call(http.MethodPut, "/v1/products/MUG-1", mugJSON)
		call(http.MethodPut, "/v1/products/MUG-2", mugJSON)
		first := call(http.MethodGet, "/v1/products?limit=1", "")
		require.Contains(t, first.body, "MUG-1")
		for range 3 {
			again := call(http.MethodGet, "/v1/products?limit=1", "")
			require.Equal(t, first.body, again.body)
			require.Equal(t, first.header.Get("Link"), again.header.Get("Link"))
			require.NotEmpty(t, again.header.Get("Link"))
		}
	})
}
