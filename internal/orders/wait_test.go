package orders

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb/dbtest"
)

func (w *watchers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.byID)
}

func TestACustomerIsToldTheOutcomeThatAnotherReplicaBroughtAbout(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := openShop(t, url)
		other := s.module(dbtest.Open(t, "orders", url)) // it takes orders, and hears nothing
		twin := &shop{t: t}
		twin.url, twin.client = serve(t, other)
		begun := time.Now()
		r := twin.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Prefer", "wait=28").is(http.StatusCreated)
		require.Equal(t, "confirmed", r.order().Status)
		require.Less(t, time.Since(begun), 25*time.Second) // not only when the time was up
		require.Zero(t, other.watch.count())
	})
}

func TestManyCustomersWaitForOneOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		key := freshKey()
		var all sync.WaitGroup
		answers := make([]reply, 20)
		for i := range answers {
			all.Go(func() {
				answers[i] = s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", key, "Prefer", "respond-async, wait=20")
			})
		}
		all.Wait()
		for _, r := range answers {
			require.Equal(t, "confirmed", r.is(http.StatusCreated).order().Status)
			require.Equal(t, answers[0].order().ID, r.order().ID)
		}
		require.Zero(t, s.m.watch.count())
		require.Equal(t, 1, s.count("order_summaries"))
	})
}

func TestACustomerWhoDoesNotWaitGetsTheOrderAsItWasTaken(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		for _, prefer := range []string{"", "wait=0", "wait=-1", "wait=soon", "return=minimal"} {
			r := s.call(http.MethodPost, "/v1/orders", basket(), "Idempotency-Key", freshKey(), "Prefer", prefer).is(http.StatusCreated)
			o := r.order()
			require.Equal(t, "pending", o.Status)
			require.EqualValues(t, 1, o.Version)
			require.Empty(t, r.header.Get("Preference-Applied"))
		}
		require.Zero(t, s.m.watch.count())
	})
}
