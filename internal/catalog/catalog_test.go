package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

// host is the context as a process has it, with somebody who listens: otherwise nothing would be published.
func host(t testing.TB, db *sqldb.DB) *Module {
	t.Helper()
	transport := bus.NewMemory()
	require.NoError(t, transport.Join("listener", bus.Topic("catalog", bus.Event)))
	return New(Needs{DB: db, Bus: transport, Log: zap.NewNop(), Clock: clock.System})
}

// each runs the test with the context on each kind of database. Its relay does not run, so that events stay to be looked at.
func each(t *testing.T, test func(t *testing.T, m *Module)) {
	t.Helper()
	dbtest.Each(t, "catalog", func(t *testing.T, db *sqldb.DB) { test(t, host(t, db)) })
}

// published are the events that wait to leave, oldest first.
func published(t *testing.T, m *Module) []catalogapi.ProductChanged {
	t.Helper()
	waiting, err := bus.Outbox(t.Context(), m.db, 0, 1000)
	require.NoError(t, err)
	events := make([]catalogapi.ProductChanged, len(waiting))
	for i, w := range waiting {
		require.NoError(t, json.Unmarshal([]byte(w.Body), &events[i]))
	}
	return events
}

func mustPut(t *testing.T, m *Module, s spec) product {
	t.Helper()
	out, err := m.put(t.Context(), s, always)
	require.NoError(t, err)
	return out.products[0]
}

func mugs(n int) []spec {
	specs := make([]spec, n)
	for i := range specs {
		specs[i] = mug()
		specs[i].SKU = fmt.Sprintf("MUG-%05d", i)
	}
	return specs
}

func TestAPutIsStoredAndPublishedOnce(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		out, err := m.put(t.Context(), mug(), always)
		require.NoError(t, err)
		require.Equal(t, 1, out.created)

		out, err = m.put(t.Context(), mug(), always)
		require.NoError(t, err)
		require.Equal(t, 1, out.unchanged)
		require.EqualValues(t, 1, out.products[0].Version)

		stored, err := m.product(t.Context(), "MUG-1")
		require.NoError(t, err)
		require.Equal(t, out.products[0], stored)
		require.Equal(t, []catalogapi.ProductChanged{{
			Price:   catalogapi.Price{SKU: "MUG-1", Name: "Blue mug", Price: money.Money{Amount: 1999, Currency: "EUR"}, Active: true},
			Version: 1,
		}}, published(t, m))
	})
}

func TestAChangeKeepsTheTimeOfCreationAndIsPublishedWithItsVersion(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		first := mustPut(t, m, mug())
		s := mug()
		s.Price.Amount, s.Active = 2499, false
		mustPut(t, m, s)
		stored, err := m.product(t.Context(), "MUG-1")
		require.NoError(t, err)
		require.EqualValues(t, 2, stored.Version)
		require.Equal(t, first.CreatedAt, stored.CreatedAt)
		events := published(t, m)
		require.Len(t, events, 2)
		require.EqualValues(t, 2, events[1].Version)
		require.EqualValues(t, 2499, events[1].Price.Price.Amount)
		require.False(t, events[1].Active)
	})
}

func TestABatchTellsNewFromChangedFromUnchanged(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		specs := mugs(1000)
		out, err := m.putMany(t.Context(), specs[:600])
		require.NoError(t, err)
		require.Equal(t, 600, out.created)

		for i := range 100 {
			specs[i].Name = "Another mug"
		}
		out, err = m.putMany(t.Context(), specs)
		require.NoError(t, err)
		require.Equal(t, [3]int{400, 100, 500}, [3]int{out.created, out.updated, out.unchanged})
		require.Len(t, published(t, m), 1100)
		findings, err := m.Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, findings)
	})
}

func TestABatchWithOneBrokenProductStoresNothing(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		specs := mugs(3)
		specs[2].Price.Amount = -1
		_, err := m.putMany(t.Context(), specs)
		require.ErrorIs(t, err, ErrInvalidProduct)
		_, err = m.product(t.Context(), specs[0].SKU)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestAPutOfAVersionThatIsGoneChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		version := func(v int64) condition { return func(p product) bool { return p.Version == v } }
		mustPut(t, m, mug())
		s := mug()
		s.Name = "Red mug"
		_, err := m.put(t.Context(), s, version(1))
		require.NoError(t, err)

		s.Name = "Green mug"
		_, err = m.put(t.Context(), s, version(1))
		require.ErrorIs(t, err, web.ErrVersionConflict)
		require.Len(t, published(t, m), 2)

		s.Name = "Red mug" // what is stored: a repetition of a put that succeeded
		out, err := m.put(t.Context(), s, version(1))
		require.NoError(t, err)
		require.EqualValues(t, 2, out.products[0].Version)
	})
}

func TestOfManyPutsOfOneVersionOneSucceeds(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		replicas := []*Module{host(t, dbtest.Open(t, "catalog", url)), host(t, dbtest.Open(t, "catalog", url))}
		mustPut(t, replicas[0], mug())
		var succeeded atomic.Int64
		var puts sync.WaitGroup
		for i := range 20 {
			puts.Go(func() {
				s := mug()
				s.Price.Amount = int64(i)
				_, err := replicas[i%2].put(context.Background(), s, func(p product) bool { return p.Version == 1 })
				if err == nil {
					succeeded.Add(1)
				} else if !errors.Is(err, web.ErrVersionConflict) {
					t.Errorf("put %d: %v", i, err)
				}
			})
		}
		puts.Wait()
		require.EqualValues(t, 1, succeeded.Load())
	})
}

func TestConcurrentBatchesInOppositeOrderBothSucceed(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		replicas := []*Module{host(t, dbtest.Open(t, "catalog", url)), host(t, dbtest.Open(t, "catalog", url))}
		errs := make(chan error, 20)
		for i := range 20 {
			go func() {
				specs := mugs(50)
				for j := range specs {
					specs[j].Price.Amount = int64(i)
				}
				if i%2 == 1 {
					for a, b := 0, len(specs)-1; a < b; a, b = a+1, b-1 {
						specs[a], specs[b] = specs[b], specs[a]
					}
				}
				_, err := replicas[i%2].putMany(context.Background(), specs)
				errs <- err
			}()
		}
		for range 20 {
			require.NoError(t, <-errs)
		}
		for _, p := range mugs(50) {
			stored, err := replicas[0].product(t.Context(), p.SKU)
			require.NoError(t, err)
			require.EqualValues(t, 20, stored.Version)
		}
		findings, err := replicas[0].Audit(t.Context())
		require.NoError(t, err)
		require.Empty(t, findings)
	})
}

func TestAListGoesThroughAllProductsInTheSameOrderOnBothDatabases(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		for _, sku := range []string{"b", "B", "a.1", "a-1", "a_1", "A1", "10", "9"} {
			s := mug()
			s.SKU = sku
			mustPut(t, m, s)
		}
		var skus []string
		for after := ""; ; {
			rows, err := m.list(t.Context(), after, 3)
			require.NoError(t, err)
			if len(rows) == 0 {
				break
			}
			for _, p := range rows {
				skus = append(skus, p.SKU)
			}
			after = skus[len(skus)-1]
		}
		require.Equal(t, []string{"10", "9", "A1", "B", "a-1", "a.1", "a_1", "b"}, skus)
	})
}

func TestASearchFindsPartsInAnyCaseAndTakesNothingForAWildcard(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		for sku, name := range map[string]string{
			"MUG-1": "Blue mug", "CUP_1": "100% porcelain", "CUP-1": "Größe Ä", "BOX": `back\slash`, "box2": "Blue box",
		} {
			s := mug()
			s.SKU, s.Name = sku, name
			mustPut(t, m, s)
		}
		for words, want := range map[string][]string{
			"BLUE": {"MUG-1", "box2"}, "box": {"BOX", "box2"}, "%": {"CUP_1"}, "_": {"CUP_1"}, `\`: {"BOX"}, "größe ä": {"CUP-1"}, "GRÖSSE": nil,
			"GRÖßE": {"CUP-1"}, "cup": {"CUP-1", "CUP_1"}, "'": nil, "nothing": nil,
		} {
			rows, err := m.search(t.Context(), words, "", 10)
			require.NoError(t, err)
			var skus []string
			for _, p := range rows {
				skus = append(skus, p.SKU)
			}
			require.Equal(t, want, skus, words)
		}
		rows, err := m.search(t.Context(), "u", "CUP_1", 1)
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "MUG-1", rows[0].SKU)
	})
}

func TestTheAuditFindsWhatBreaksAnInvariant(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		for i := range 4 {
			s := mug()
			s.SKU = fmt.Sprint("MUG-", i)
			mustPut(t, m, s)
		}
		for _, damage := range []string{
			`UPDATE products SET search = 'something else' WHERE sku = 'MUG-0'`,
			`UPDATE products SET change = 1000 WHERE sku = 'MUG-1'`,
			`UPDATE products SET updated_at = created_at - 1 WHERE sku = 'MUG-2'`,
			`UPDATE products SET price_currency = 'XYZ' WHERE sku = 'MUG-3'`,
		} {
			require.NoError(t, m.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, damage)
				return err
			}))
		}
		findings, err := m.Audit(t.Context())
		require.NoError(t, err)
		found := map[string]string{}
		for _, f := range findings {
			found[f.Subject] = f.Invariant
		}
		require.Len(t, findings, 4)
		require.Equal(t, map[string]string{
			"MUG-0": invariantSearch, "MUG-1": invariantChange, "MUG-2": invariantProduct, "MUG-3": invariantProduct,
		}, found)
	})
}

func TestListenersHearOfAChange(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		transport := bus.NewMemory()
		m := New(Needs{DB: dbtest.Open(t, "catalog", url), Bus: transport, Log: zap.NewNop(), Clock: clock.System})
		heard := make(chan catalogapi.ProductChanged, 10)
		listener := bus.NewEndpoint(bus.Config{Context: "platform", DB: dbtest.Open(t, "platform", url), Transport: transport})
		bus.On(listener, func(_ context.Context, tx *sqldb.Tx, e catalogapi.ProductChanged) error {
			tx.AfterCommit(func() { heard <- e })
			return nil
		})
		require.NoError(t, listener.Start(t.Context()))
		require.NoError(t, m.Start(t.Context()))
		mustPut(t, m, mug())
		select {
		case e := <-heard:
			require.Equal(t, "MUG-1", e.SKU)
			require.Equal(t, "MUG-1", e.MessageKey())
		case <-time.After(20 * time.Second):
			t.Fatal("nobody heard of the product")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, m.Stop(ctx))
		require.NoError(t, listener.Stop(ctx))
	})
}
