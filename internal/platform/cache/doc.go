// Package cache keeps answers that are asked for often and change seldom: in this process, and where SHOP_CACHE_URL names a Redis, beside it there, for all
// processes. It knows no context.
//
//	profiles := cache.New[Profile](store, cache.Config{Name: "customers", TTL: time.Minute})
//	p, found, err := profiles.Get(ctx, id, func(ctx context.Context) (Profile, bool, error) { return customers.Find(ctx, id) })
//	profiles.Invalidate(ctx, id) // when it has changed
//
// Callers who miss the same key share one fetch, and none of them can cancel it for the others. An error of a fetch is given to those who waited for it and not kept.
//
// # What is guaranteed
//
// After Invalidate has begun, no fetch that began before it is kept, here or in Redis; and when it has returned, Get of this process does not answer with what was there
// before, whether Redis could be reached or not, and also when Redis was restarted empty meanwhile. The other processes may answer with it for:
//
//   - Config.Local, when Redis was reached: that long they use what they have without asking Redis again;
//   - Config.TTL since it was fetched, when Redis was not reached before this process ended; until then this process goes on trying to tell it;
//   - Config.TTL since it was fetched, when there is no Redis, or Redis lost what it had been told (a restart, a failover); when what it lost comes back
//     from an old snapshot, this process too.
//
// TTL is a bound in every case: nothing is used longer than that after it was fetched. Redis counts it down, so that clocks need not agree.
//
// A Redis that is down, slow or strange makes answers slower, never wrong and never an error: it is given 100 ms, and after five failures in a row it is not asked for
// one second. Keys are never listed (KEYS, SCAN): a group of answers that must go together is a Cache, see InvalidateAll.
//
// # How a late fetch is kept out of Redis
//
// An invalidation does not delete the key: it leaves a mark there that no other mark equals, for longer than any fetch may take. A fetch remembers what stood in the key
// before it began (nothing, or a mark), and a script stores its value only if the same stands there still.
package cache
