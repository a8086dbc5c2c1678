package catalog

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/resilience/resiliencetest"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

func TestAskedFromAfarTheCatalogGivesTheSamePrices(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		specs := make([]spec, 250)
		skus := []string{"UNKNOWN", "", "a,b", "P-001,P-002", "no such thing & more", "P-007", "ü"}
		for i := range specs {
			sku := fmt.Sprintf("P-%03d", i)
			specs[i] = spec{SKU: sku, Name: "Product " + sku, Description: strings.Repeat("long ", 100), Price: money.Money{Amount: int64(i), Currency: "EUR"}, Active: i%3 > 0}
			skus = append(skus, sku)
		}
		_, err := m.putMany(t.Context(), specs)
		require.NoError(t, err)
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		m.Routes(edge)
		var requests atomic.Int64
		remote := catalogapi.NewRemote(resiliencetest.Caller(t, "catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			edge.Handler().ServeHTTP(w, r)
		})))
		here, err := m.Prices(t.Context(), skus)
		require.NoError(t, err)
		require.Len(t, here, 250)
		for _, who := range []auth.Principal{{}, {Role: auth.Customer, Subject: "ann"}, {Role: auth.Service, Subject: "orders"}} {
			requests.Store(0)
			there, err := remote.Prices(auth.With(context.Background(), who), slices.Clone(skus))
			require.NoError(t, err)
			require.Equal(t, here, there)
			require.EqualValues(t, 3, requests.Load(), "a hundred at a time")
		}
		requests.Store(0)
		none, err := remote.Prices(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, none)
		require.Zero(t, requests.Load())
	})
}

func TestTheListCanBeOfNamedProducts(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		for _, sku := range []string{"CUP", "MUG", "POT", "TEA"} {
			require.Equal(t, http.StatusCreated, call(http.MethodPut, "/v1/products/"+sku, mugJSON).status)
		}
		list := func(query string) (skus []string, next string) {
			var page web.Page[productBody]
			a := call(http.MethodGet, "/v1/products?"+query, "")
			require.Equal(t, http.StatusOK, a.status, a.body)
			a.into(&page)
			for _, p := range page.Data {
				skus = append(skus, p.SKU)
			}
			if page.NextCursor != nil {
				next = *page.NextCursor
			}
			return skus, next
		}
		skus, _ := list("sku=TEA&sku=CUP&sku=NONE&sku=TEA")
		require.Equal(t, []string{"CUP", "TEA"}, skus)
		skus, next := list("sku=TEA&sku=CUP&limit=1")
		require.Equal(t, []string{"CUP"}, skus)
		skus, _ = list("sku=TEA&sku=CUP&limit=1&after=" + url.QueryEscape(next))
		require.Equal(t, []string{"TEA"}, skus)
		skus, _ = list("sku=TEA&sku=CUP&q=tea")
		require.Equal(t, []string{"TEA"}, skus)
		skus, _ = list("sku=")
		require.Equal(t, []string{"CUP", "MUG", "POT", "TEA"}, skus, "an empty parameter is none")
		call(http.MethodGet, "/v1/products?"+strings.Repeat("sku=A&", 101), "").problem(http.StatusUnprocessableEntity, "invalid_input")
	})
}

func TestADatabaseThatIsDownThereIsTheSameFaultHere(t *testing.T) {
	db := dbtest.Open(t, "catalog", "sqlite:"+t.TempDir())
	m := host(t, db)
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	m.Routes(edge)
	remote := catalogapi.NewRemote(resiliencetest.Caller(t, "catalog", edge.Handler()))
	require.NoError(t, db.Close())
	_, here := m.Prices(t.Context(), []string{"A"})
	_, there := remote.Prices(t.Context(), []string{"A"})
	require.Equal(t, fault.Unavailable, fault.KindOf(here))
	require.ErrorIs(t, there, fault.As(here))
	require.ErrorIs(t, there, sqldb.ErrUnavailable)
}
