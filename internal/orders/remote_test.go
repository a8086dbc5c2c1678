package orders

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/orders/ordersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/resilience/resiliencetest"
	"shop/internal/platform/web"
)

func TestAskedFromAfarAnOrderIsTheSame(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		s.m.Routes(edge)
		remote := ordersapi.NewRemote(resiliencetest.Caller(t, "orders", edge.Handler()))
		id := s.place()
		s.untilStatus(id, Confirmed)
		cancelled := s.place()
		s.cancel(cancelled).is(http.StatusAccepted)
		s.rest()
		owner := s.read(id).CustomerID
		for _, who := range []auth.Principal{{Role: auth.Operator, Subject: "olga"}, {Role: auth.Service, Subject: "edge"}, {Role: auth.Customer, Subject: owner}, {Role: auth.Customer, Subject: "eve"}} {
			ctx := auth.With(t.Context(), who)
			for _, id := range []string{id, cancelled, newID(t.Context()), "", "ord_1", "../orders", "a b?c=d"} {
				here, errHere := s.m.Order(ctx, id)
				there, errThere := remote.Order(ctx, id)
				if errHere != nil {
					require.ErrorIs(t, errHere, ErrNotFound)
					require.ErrorIs(t, errThere, ErrNotFound, "%v: %s", who, id)
					continue
				}
				require.NoError(t, errThere)
				require.Equal(t, here, there)
			}
		}
		_, err := remote.Order(context.Background(), id)
		require.ErrorIs(t, err, auth.ErrUnauthorized)
		s.rest()
	})
}
