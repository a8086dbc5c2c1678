package customers

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestOfManyRegistrationsAtOnceOneWins(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		statuses := make([]int, 16)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() { statuses[i] = d.ask(ada, http.MethodPost, "/v1/customers", adasProfile).status })
		}
		all.Wait()
		made := 0
		for _, status := range statuses {
			if status == http.StatusCreated {
				made++
				continue
			}
			require.Equal(t, http.StatusConflict, status)
		}
		require.Equal(t, 1, made)
		require.Len(t, d.story("auth0|ada"), 1)
	})
}

func TestNoChangeIsLostWhenTwoProcessesChangeAProfile(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		transport := bus.NewMemory()
		processes := make([]*Module, 2)
		for i := range processes {
			processes[i] = New(Needs{DB: dbtest.OpenWith(t, sqldb.Config{Context: "customers", URL: url}), Bus: transport, Clock: clock.System})
		}
		c, err := newCustomer("c", profile{"N", "n@example.org", ""}, nil, clock.System.Now())
		require.NoError(t, err)
		require.NoError(t, processes[0].db.Write(t.Context(), "c", processes[0].registering(c)))
		const each = 10
		var all sync.WaitGroup
		errs := make(chan error, 2*each)
		for p, m := range processes {
			for i := range each {
				all.Go(func() {
					_, err := m.addAddress(t.Context(), "c", "", customersapi.Address{ID: fmt.Sprintf("adr_%d_%d", p, i)})
					errs <- err
				})
			}
		}
		all.Wait()
		for range 2 * each {
			require.NoError(t, <-errs)
		}
		c, err = processes[0].customer(t.Context(), "c")
		require.NoError(t, err)
		require.Len(t, c.addresses, 2*each)
		require.EqualValues(t, 1+2*each, c.version)
	})
}

func TestAJobThatIsRunAgainFindsWhatItDid(t *testing.T) {
	dbtest.Each(t, "customers", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: clock.System})
		c, err := newCustomer("c", profile{"N", "n@example.org", ""}, nil, clock.System.Now())
		require.NoError(t, err)
		job := m.registering(c)
		require.NoError(t, db.Write(t.Context(), "c", job))
		require.NoError(t, db.Write(t.Context(), "c", job), "as after a commit that nobody answered")
		other := c
		other.profile.name = "Other"
		require.ErrorIs(t, db.Write(t.Context(), "c", m.registering(other)), ErrExists)
	})
}
