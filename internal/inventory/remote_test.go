package inventory

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/resilience/resiliencetest"
	"shop/internal/platform/web"
)

func TestAskedFromAfarInventoryKnowsTheSameLevels(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		skus := []string{"UNKNOWN", "", "CUP-007"}
		moves := make([]movement, 130)
		for i := range moves {
			sku := fmt.Sprintf("CUP-%03d", i)
			moves[i] = newMovement(sku, int64(10+i), reason("received"), "", noon)
			skus = append(skus, sku)
		}
		_, err := h.book(moves...)
		require.NoError(t, err)
		h.tell(reserve("ord_1", line("CUP-001", 3)))
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		h.m.Routes(edge)
		var requests atomic.Int64
		remote := inventoryapi.NewRemote(resiliencetest.Caller(t, "inventory", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			edge.Handler().ServeHTTP(w, r)
		})))
		bySKU := func(a, b inventoryapi.Level) int { return strings.Compare(a.SKU, b.SKU) }
		here, err := h.m.Levels(t.Context(), skus)
		require.NoError(t, err)
		slices.SortFunc(here, bySKU)
		require.Len(t, here, 130)
		for _, role := range []auth.Role{auth.Operator, auth.Service, auth.Customer, ""} {
			requests.Store(0)
			there, err := remote.Levels(auth.With(t.Context(), auth.Principal{Role: role, Subject: "ann"}), skus)
			require.NoError(t, err)
			require.EqualValues(t, 2, requests.Load(), "a hundred at a time")
			slices.SortFunc(there, bySKU)
			want := slices.Clone(here)
			if role == auth.Customer || role == "" {
				for i := range want {
					want[i].OnHand, want[i].Reserved = 0, 0
				}
			}
			require.Equal(t, want, there, role)
		}
		none, err := remote.Levels(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, none)
		_, err = remote.Reservations(t.Context(), []string{"ord_1"})
		require.ErrorIs(t, err, inventoryapi.ErrNotRemote)
	})
}

func TestTheListCanBeOfNamedSKUs(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		for _, sku := range []string{"CUP", "MUG", "TEA"} {
			c.receive(sku, 5)
		}
		require.JSONEq(t, `{"data":[{"sku":"CUP","on_hand":5,"reserved":0,"available":5},{"sku":"TEA","on_hand":5,"reserved":0,"available":5}],"has_more":false,"next_cursor":null}`,
			c.get("/v1/inventory?sku=TEA&sku=CUP&sku=NONE&sku=TEA").body)
		require.JSONEq(t, c.get("/v1/inventory").body, c.get("/v1/inventory?sku=").body, "an empty parameter is none")
		require.Contains(t, c.get("/v1/inventory?sku=TEA&sku=CUP&limit=1").body, `"has_more":true`)
		require.Equal(t, http.StatusUnprocessableEntity, c.get("/v1/inventory?"+strings.Repeat("sku=A&", 101)).status)
	})
}
