package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb/dbtest"
)

// shelf is a source of prices in memory that counts what it is asked, and can be slow.
type shelf struct {
	mu       sync.Mutex
	products map[string]product
	last     int64
	err      error

	loads, looks atomic.Int64
	loading      chan load // each load reports here after it has read, and answers when it is let; nil: at once
}

type load struct {
	skus   []string
	answer chan struct{}
}

func newShelf(n int) *shelf {
	s := &shelf{products: map[string]product{}}
	for _, m := range mugs(n) {
		s.set(m.SKU, m.Price.Amount)
	}
	return s
}

// set changes a price, as any replica may do, and returns the product as it is then.
func (s *shelf) set(sku string, amount int64) product {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	spec := mug()
	spec.SKU, spec.Price.Amount = sku, amount
	p, _ := s.products[sku].become(spec, s.last, noon)
	s.products[sku] = p
	return p
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
}

func (s *shelf) ofSKUs(_ context.Context, skus []string) ([]product, error) {
	s.loads.Add(1)
	s.mu.Lock()
	var rows []product
	for _, sku := range skus {
		if p, ok := s.products[sku]; ok {
			rows = append(rows, p)
		}
	}
	err := s.err
	s.mu.Unlock()
	if s.loading != nil {
		l := load{skus, make(chan struct{})}
		s.loading <- l
		<-l.answer
	}
	return rows, err
}

func (s *shelf) changedAfter(_ context.Context, change int64, limit int) ([]product, error) {
	s.looks.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []product
	for _, p := range s.products {
		if p.Change > change {
			rows = append(rows, p)
		}
	}
	slices.SortFunc(rows, func(a, b product) int { return int(a.Change - b.Change) })
	return rows[:min(limit, len(rows))], s.err
}

func (s *shelf) lastChange(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.err
}

// cacheOf is a cache whose time stands still. It has looked for changes just now and knows no product.
func cacheOf(t *testing.T, s *shelf) (*priceCache, *atomic.Int64) {
	t.Helper()
	var now atomic.Int64
	c := newPriceCache(s)
	c.now = func() time.Duration { return time.Duration(now.Load()) }
	require.NoError(t, c.startAfresh(t.Context()))
	c.checked.Store(0)
	return c, &now
}

func amount(t *testing.T, c *priceCache, sku string) int64 {
	t.Helper()
	prices, err := c.Prices(t.Context(), []string{sku})
	require.NoError(t, err)
	require.Contains(t, prices, sku)
	return prices[sku].Price.Amount
}

func TestAKnownPriceIsReadWithoutTheDatabase(t *testing.T) {
	s := newShelf(3)
	c, _ := cacheOf(t, s)
	for range 100 {
		prices, err := c.Prices(t.Context(), []string{"MUG-00000", "MUG-00002", "MUG-00002"})
		require.NoError(t, err)
		require.Len(t, prices, 2)
	}
	require.EqualValues(t, 1, s.loads.Load())
	require.EqualValues(t, 0, s.looks.Load())
}

func TestAnUnknownSKUIsLeftOutAndAskedForAgain(t *testing.T) {
	s := newShelf(1)
	c, _ := cacheOf(t, s)
	for want := int64(1); want <= 2; want++ {
		prices, err := c.Prices(t.Context(), []string{"MUG-00000", "NONE"})
		require.NoError(t, err)
		require.Len(t, prices, 1)
		require.Equal(t, want, s.loads.Load())
	}
	s.set("NONE", 5)
	require.EqualValues(t, 5, amount(t, c, "NONE"))
}

func TestOnlyWhatIsMissingIsRead(t *testing.T) {
	s := newShelf(4)
	c, _ := cacheOf(t, s)
	amount(t, c, "MUG-00001")
	s.loading = make(chan load)
	go func() {
		_, _ = c.Prices(context.Background(), []string{"MUG-00003", "MUG-00001", "MUG-00002", "MUG-00003"})
	}()
	l := <-s.loading
	close(l.answer)
	require.Equal(t, []string{"MUG-00002", "MUG-00003"}, l.skus)
}

func TestCallersWhoMissTheSamePricesShareOneRead(t *testing.T) {
	s := newShelf(2)
	c, _ := cacheOf(t, s)
	s.loading = make(chan load)
	var asking, done sync.WaitGroup
	for i := range 50 {
		asking.Add(1)
		done.Go(func() {
			skus := []string{"MUG-00000", "MUG-00001"}
			if i%2 == 1 {
				slices.Reverse(skus)
			}
			asking.Done()
			prices, err := c.Prices(context.Background(), skus)
			if err != nil || len(prices) != 2 {
				t.Errorf("got %v, %v", prices, err)
			}
		})
	}
	first := <-s.loading
	asking.Wait()
	close(first.answer)
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	for {
		select {
		case late := <-s.loading: // of a caller who missed the prices, and then missed the read
			close(late.answer)
			continue
		case <-finished:
		}
		break
	}
	require.Less(t, s.loads.Load(), int64(25))
}

func TestACallerWhoGivesUpDoesNotTakeTheReadFromTheOthers(t *testing.T) {
	s := newShelf(1)
	c, _ := cacheOf(t, s)
	s.loading = make(chan load)
	hasty, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := c.Prices(hasty, []string{"MUG-00000"})
		failed <- err
	}()
	read := <-s.loading
	patient := make(chan int, 1)
	go func() {
		prices, _ := c.Prices(context.Background(), []string{"MUG-00000"})
		patient <- len(prices)
	}()
	giveUp()
	require.Equal(t, fault.Unavailable, fault.KindOf(<-failed))
	close(read.answer)
	require.Equal(t, 1, <-patient)
}

func TestAReadThatBeganBeforeAChangeDoesNotPutTheOldPriceBack(t *testing.T) {
	s := newShelf(1)
	c, _ := cacheOf(t, s)
	s.loading = make(chan load)
	slow := make(chan int64, 1)
	go func() {
		prices, _ := c.Prices(context.Background(), []string{"MUG-00000"})
		slow <- prices["MUG-00000"].Price.Amount
	}()
	read := <-s.loading // it has read 1999
	c.learn([]product{s.set("MUG-00000", 2500)})
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"), "while the read is under way")
	close(read.answer)
	require.EqualValues(t, 2500, <-slow)
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
	require.EqualValues(t, 1, s.loads.Load())
}

func TestAReadThatSpansAChangeAndItsForgettingIsNotKept(t *testing.T) {
	for name, forget := range map[string]func(c *priceCache){
		"the cache was full":      func(c *priceCache) { c.learn(products(1000, 2*c.capacity)) },
		"there was much to learn": func(c *priceCache) { _ = c.startAfresh(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(1)
			c, _ := cacheOf(t, s)
			c.capacity = 10
			s.loading = make(chan load)
			ask := func() <-chan int64 {
				answer := make(chan int64, 1)
				go func() {
					prices, _ := c.Prices(context.Background(), []string{"MUG-00000"})
					answer <- prices["MUG-00000"].Price.Amount
				}()
				return answer
			}
			before := ask()
			read := <-s.loading // it has read 1999
			c.learn([]product{s.set("MUG-00000", 2500)})
			forget(c)
			after := ask()
			select {
			case own := <-s.loading:
				close(read.answer)
				require.EqualValues(t, 1999, <-before) // it asked before the change
				require.NotContains(t, c.young, "MUG-00000")
				close(own.answer)
			case <-time.After(10 * time.Second):
				t.Fatal("who asked after the change joined a read that began before it")
			}
			require.EqualValues(t, 2500, <-after)
			s.loading = nil
			require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
			require.EqualValues(t, 2, s.loads.Load())
		})
	}
}

// products are n products of one change that nothing else knows.
func products(change int64, n int) []product {
	ps := make([]product, n)
	for i := range ps {
		ps[i] = product{SKU: fmt.Sprint("OTHER-", i), Version: 1, Change: change}
	}
	return ps
}

func TestAnotherReplicasChangeIsSeenWithinASecond(t *testing.T) {
	s := newShelf(2)
	c, now := cacheOf(t, s)
	require.EqualValues(t, 1999, amount(t, c, "MUG-00000"))
	s.set("MUG-00000", 2500)
	now.Store(int64(pricesFresh) / 2)
	require.EqualValues(t, 1999, amount(t, c, "MUG-00000"))
	now.Store(int64(pricesFresh) + 1)
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
	require.EqualValues(t, 1, s.looks.Load())
	require.EqualValues(t, 1, s.loads.Load(), "the change brought the price along")
	require.Equal(t, s.last, c.seen)
}

func TestTheCacheLooksForChangesBeforeSomebodyHasToWait(t *testing.T) {
	s := newShelf(1)
	c, now := cacheOf(t, s)
	amount(t, c, "MUG-00000")
	s.set("MUG-00000", 2500)
	now.Store(int64(pricesFresh) * 3 / 4)
	amount(t, c, "MUG-00000") // the old price, or the new one if the look in the background was faster
	require.Eventually(t, func() bool { return c.checked.Load() == now.Load() }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
}

func TestAfterMoreChangesThanItTakesOverTheCacheStartsAfresh(t *testing.T) {
	s := newShelf(pricesPages*pricesCatchUp + 10)
	c, now := cacheOf(t, s)
	amount(t, c, "MUG-00000")
	for _, m := range mugs(pricesPages*pricesCatchUp + 10) {
		s.set(m.SKU, 2500)
	}
	now.Store(int64(pricesFresh) + 1)
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
	require.Equal(t, s.last, c.seen)
	require.EqualValues(t, 2, s.loads.Load())
	now.Store(2*int64(pricesFresh) + 2)
	require.EqualValues(t, 2500, amount(t, c, "MUG-00000"))
	require.EqualValues(t, 2, s.loads.Load())
}

func TestWithoutTheDatabaseNoPriceIsOlderThanASecond(t *testing.T) {
	s := newShelf(1)
	c, now := cacheOf(t, s)
	amount(t, c, "MUG-00000")
	down := errors.New("down")
	s.fail(down)
	now.Store(int64(pricesFresh))
	require.EqualValues(t, 1999, amount(t, c, "MUG-00000"))
	now.Add(1)
	_, err := c.Prices(t.Context(), []string{"MUG-00000"})
	require.ErrorIs(t, err, down)
	s.fail(nil)
	require.EqualValues(t, 1999, amount(t, c, "MUG-00000"))
}

func TestTheCacheIsBoundedAndKeepsWhatIsAskedFor(t *testing.T) {
	s := newShelf(1000)
	c, _ := cacheOf(t, s)
	c.capacity = 100
	for i, m := range mugs(1000) {
		amount(t, c, m.SKU)
		amount(t, c, "MUG-00000")
		require.LessOrEqual(t, len(c.young)+len(c.old), c.capacity, i)
	}
	loads := s.loads.Load()
	amount(t, c, "MUG-00000")
	require.Equal(t, loads, s.loads.Load())
	require.Less(t, loads, int64(1010))
}

func TestOnceAPutIsAnsweredNobodyIsToldAnOlderPrice(t *testing.T) {
	each(t, func(t *testing.T, m *Module) {
		mustPut(t, m, mug())
		var answered atomic.Int64
		answered.Store(1999)
		ctx, stop := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for reader := range 3 {
			readers.Go(func() {
				for ctx.Err() == nil {
					if reader == 0 { // reads of the database begin and end all the time, also those that are not kept
						m.prices.mu.Lock()
						m.prices.young, m.prices.old = map[string]product{}, nil
						m.prices.generation++
						m.prices.mu.Unlock()
					}
					least := answered.Load()
					prices, err := m.Prices(context.Background(), []string{"MUG-1"})
					if err != nil || prices["MUG-1"].Price.Amount < least {
						t.Errorf("at least %d: got %v, %v", least, prices, err)
						return
					}
				}
			})
		}
		for i := range int64(50) {
			s := mug()
			s.Price.Amount = 2000 + i
			mustPut(t, m, s)
			answered.Store(s.Price.Amount)
		}
		stop()
		readers.Wait()
	})
}

func TestAPutInOneReplicaReachesTheOther(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		here, there := host(t, dbtest.Open(t, "catalog", url)), host(t, dbtest.Open(t, "catalog", url))
		for i := range int64(3) {
			s := mug()
			s.Price.Amount = 100 + i
			mustPut(t, here, s)
			require.Equal(t, 100+i, amount(t, here.prices, "MUG-1"))
			require.Eventually(t, func() bool { return amount(t, there.prices, "MUG-1") == 100+i }, 10*time.Second, 10*time.Millisecond)
		}
	})
}
