package e2e

import (
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"shop/internal/platform/sqldb/pgtest"
)

// Two processes share one PostgreSQL, each with a memory bus of its own. One leads each context; when it dies, the other does.
func TestTwoReplicasShareTheWorkAndTheSurvivorTakesOver(t *testing.T) {
	url := pgtest.NewDatabase(t)
	one := newCrashing(t, url)
	one.start()
	one.stock()
	two := newCrashing(t, url)
	two.start()

	for round, replicas := range [][]*crashing{{one, two}, {two}} {
		if round == 1 {
			one.kill(syscall.SIGKILL) // the leader: it was there first
		}
		var all sync.WaitGroup
		begun := time.Now()
		for i := range 100 {
			all.Go(func() {
				c := replicas[i%len(replicas)]
				key := fmt.Sprintf("round-%d-%d", round, i)
				st, raw, err := c.request("POST", "/v1/orders", key, orderOf("pm_test_ok", fmt.Sprintf("SKU-%d", i%crashSKUs), 1))
				if err != nil || st != 201 {
					t.Errorf("status %d %v: %s", st, err, raw)
					return
				}
				var o struct{ ID, Status string }
				if json.Unmarshal(raw, &o) != nil {
					t.Errorf("no order: %s", raw)
					return
				}
				eventually(t, "the order is confirmed", func() bool {
					_, raw, err := c.request("GET", "/v1/orders/"+o.ID, "", nil)
					return err == nil && json.Unmarshal(raw, &o) == nil && o.Status == "confirmed"
				})
			})
		}
		all.Wait()
		t.Logf("round %d: 100 orders confirmed on %d replicas within %s", round, len(replicas), time.Since(begun).Round(time.Millisecond))
	}
	two.settle()
}
