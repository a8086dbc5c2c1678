package catalog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// BenchmarkKnownPrices is the way of every order: three lines, all known. No database is touched.
func BenchmarkKnownPrices(b *testing.B) {
	c := newPriceCache(newShelf(1000))
	c.now = func() time.Duration { return 0 }
	c.checked.Store(0)
	skus := []string{"MUG-00001", "MUG-00002", "MUG-00003"}
	_, err := c.Prices(b.Context(), skus)
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if prices, err := c.Prices(b.Context(), skus); err != nil || len(prices) != 3 {
				b.Fail()
			}
		}
	})
}

func databases(b *testing.B, bench func(b *testing.B, m *Module)) {
	b.Run("sqlite", func(b *testing.B) { bench(b, host(b, dbtest.Open(b, "catalog", "sqlite:"+b.TempDir()))) })
	b.Run("postgres", func(b *testing.B) { bench(b, host(b, dbtest.Open(b, "catalog", pgtest.NewDatabase(b)))) })
}

// BenchmarkBatch is a put of 1000 products, all changed.
func BenchmarkBatch(b *testing.B) {
	databases(b, func(b *testing.B, m *Module) {
		specs := mugs(1000)
		for n := int64(1); b.Loop(); n++ {
			for i := range specs {
				specs[i].Price.Amount = n
			}
			_, err := m.putMany(b.Context(), specs)
			require.NoError(b, err)
		}
	})
}

// BenchmarkSearchThatFindsNothing walks the index of 100,000 products to its end.
func BenchmarkSearchThatFindsNothing(b *testing.B) {
	databases(b, func(b *testing.B, m *Module) {
		specs := mugs(100_000)
		for part := range 100 {
			_, err := m.putMany(b.Context(), specs[part*1000:(part+1)*1000])
			require.NoError(b, err)
		}
		for b.Loop() {
			rows, err := m.search(b.Context(), "nowhere", "", 50)
			require.NoError(b, err)
			require.Empty(b, rows)
		}
	})
}
