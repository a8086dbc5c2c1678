package catalog

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/fault"
)

const (
	pricesFresh    = time.Second     // how long the cache may be used without asking whether anything changed
	pricesCapacity = 100_000         // products in the cache at most
	pricesCatchUp  = 1000            // changes that are read at once
	pricesPages    = 20              // so many times; after more the cache starts afresh
	pricesPatience = 5 * time.Second // longest read of the database
)

// errPricesTimeout: the caller's patience ended before the database answered.
var errPricesTimeout = fault.New(fault.Unavailable, "prices_timeout", "the prices did not arrive in time; try again")

// priceSource is where the cache reads what it does not know: products with all that belongs to a price.
type priceSource interface {
	ofSKUs(ctx context.Context, skus []string) ([]product, error)
	// changedAfter reads the products of later changes, oldest change first. Changes are visible in the order of their numbers.
	changedAfter(ctx context.Context, change int64, limit int) ([]product, error)
	lastChange(ctx context.Context) (int64, error)
}

// priceCache keeps prices in memory.
//
// It does not forget a price after a time, it finds out what changed: at most once a second, and only while prices are asked for, one statement
// reads the products changed since the last time, in whichever replica. It is sent in the background when half the second is
// over, so that who asks for a known price waits for no database. What this process changes is learned right after its commit.
//
// A read of the database that began before a change must not put the old price back after it. So a product never gives
// way to an older version of itself, and when products were dropped from memory meanwhile (a new generation), the versions with which to compare may be gone: then the read is
// used by those who waited for it and not kept.
type priceCache struct {
	source   priceSource
	now      func() time.Duration // a clock that nobody can set
	fresh    time.Duration
	capacity int
	reads    singleflight.Group // identical reads under way are one
	checked  atomic.Int64       // by now's clock: the cache was true then

	mu         sync.RWMutex
	young, old map[string]product // old ones that are asked for become young again; the others are dropped when young is full
	generation int64              // counts the times that products were dropped
	seen       int64              // all changes up to this one are known
}

func newPriceCache(source priceSource) *priceCache {
	start := time.Now()
	c := &priceCache{
		source: source, now: func() time.Duration { return time.Since(start) }, fresh: pricesFresh, capacity: pricesCapacity,
		young: map[string]product{},
	}
	c.checked.Store(int64(-2 * pricesFresh)) // never
	return c
}

// Prices answers catalogapi.Prices. Errors: fault Unavailable.
func (c *priceCache) Prices(ctx context.Context, skus []string) (map[string]catalogapi.Price, error) {
	if err := c.keepFresh(ctx); err != nil {
		return nil, err
	}
	found := make(map[string]catalogapi.Price, len(skus))
	missing, generation := c.lookup(skus, found)
	if len(missing) == 0 {
		return found, nil
	}
	loaded, err := c.load(ctx, missing, generation)
	if err != nil {
		return nil, err
	}
	for _, p := range loaded {
		found[p.SKU] = p.price()
	}
	return found, nil
}

// lookup puts the known prices into found and returns the SKUs that are not known, sorted, each once.
func (c *priceCache) lookup(skus []string, found map[string]catalogapi.Price) (missing []string, generation int64) {
	var aged []string
	c.mu.RLock()
	generation = c.generation
	for _, sku := range skus {
		p, known := c.young[sku]
		if !known {
			if p, known = c.old[sku]; known {
				aged = append(aged, sku)
			}
		}
		if !known {
			missing = append(missing, sku)
			continue
		}
		found[sku] = p.price()
	}
	c.mu.RUnlock()
	if aged != nil {
		c.rejuvenate(aged)
	}
	slices.Sort(missing)
	return slices.Compact(missing), generation
}

// load reads products from the database. Callers who miss the same ones share a read, and none of them can cancel it.
func (c *priceCache) load(ctx context.Context, skus []string, generation int64) ([]product, error) {
	key := strconv.FormatInt(generation, 10) + " " + strings.Join(skus, " ") // no SKU contains a blank
	v, err := c.share(ctx, key, func(ctx context.Context) (any, error) {
		rows, err := c.source.ofSKUs(ctx, skus)
		if err != nil {
			return nil, err
		}
		return c.keep(rows, generation), nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]product), nil
}

// keep remembers what was read in a generation and returns it; in place of a product of which a later version is known, that version.
func (c *priceCache) keep(rows []product, generation int64) []product {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := make([]product, len(rows))
	for i, p := range rows {
		if c.generation == generation {
			c.put(p)
		}
		newest[i] = c.newest(p)
	}
	return newest
}

// learn takes over products as they are since a commit of this process. A change that the cache has caught up with already says nothing new.
func (c *priceCache) learn(products []product) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range products {
		if p.Change > c.seen {
			c.put(p)
		}
	}
}

// keepFresh makes sure that everything in the cache was true within the last second. Errors: fault Unavailable.
func (c *priceCache) keepFresh(ctx context.Context) error {
	age := c.now() - time.Duration(c.checked.Load())
	if age <= c.fresh/2 {
		return nil
	}
	if age <= c.fresh { // the answer is of use to those who come later
		c.reads.DoChan("", c.detached(ctx, c.catchUp))
		return nil
	}
	_, err := c.share(ctx, "", c.catchUp)
	return err
}

// catchUp learns what was changed, by whomever, since it last ran.
func (c *priceCache) catchUp(ctx context.Context) (any, error) {
	began := c.now()
	c.mu.RLock()
	seen := c.seen
	c.mu.RUnlock()
	for page := 1; ; page++ {
		rows, err := c.source.changedAfter(ctx, seen, pricesCatchUp)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			c.learn(rows)
			seen = rows[len(rows)-1].Change
			c.setSeen(seen)
		}
		if len(rows) < pricesCatchUp {
			break
		}
		if page == pricesPages {
			if err := c.startAfresh(ctx); err != nil {
				return nil, err
			}
			break
		}
	}
	c.checked.Store(int64(began))
	return nil, nil
}

// startAfresh forgets everything: what is read from now on holds every change up to the one that is the last now.
func (c *priceCache) startAfresh(ctx context.Context) error {
	last, err := c.source.lastChange(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = map[string]product{}, nil
	c.generation++
	c.seen = last
	return nil
}

func (c *priceCache) setSeen(change int64) {
	c.mu.Lock()
	c.seen = change
	c.mu.Unlock()
}

// share runs read in the background, or joins one of the same key that is under way, and waits for it as long as ctx lasts.
func (c *priceCache) share(ctx context.Context, key string, read func(context.Context) (any, error)) (any, error) {
	select {
	case r := <-c.reads.DoChan(key, c.detached(ctx, read)):
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, errPricesTimeout
	}
}

// detached is read with ctx's values and a deadline of its own.
func (c *priceCache) detached(ctx context.Context, read func(context.Context) (any, error)) func() (any, error) {
	return func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pricesPatience)
		defer cancel()
		return read(ctx)
	}
}

// put remembers a product unless a later version is known. c.mu is held.
func (c *priceCache) put(p product) {
	if c.newest(p).Version > p.Version {
		return
	}
	p.Description = "" // prices have none, and it may be long
	delete(c.old, p.SKU)
	c.young[p.SKU] = p
	if len(c.young) >= c.capacity/2 {
		c.young, c.old = make(map[string]product, c.capacity/2), c.young
		c.generation++
	}
}

// newest is the version of the product that is known, if it is later than p, else p. c.mu is held.
func (c *priceCache) newest(p product) product {
	if known := c.young[p.SKU]; known.Version > p.Version {
		return known
	}
	if known := c.old[p.SKU]; known.Version > p.Version {
		return known
	}
	return p
}

// rejuvenate keeps products that were asked for from being dropped.
func (c *priceCache) rejuvenate(skus []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sku := range skus {
		if p, known := c.old[sku]; known {
			c.put(p)
		}
	}
}
