package shipping

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/resilience/resiliencetest"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

func TestAskedFromAfarShipmentsAreTheSame(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		references := []string{"ord_none", ""}
		for i := range 20 {
			c := order("ord_" + string(rune('a'+i)))
			s.send(t, c)
			references = append(references, c.Reference, c.Reference)
		}
		s.settle(t)
		_, err := s.move(t.Context(), s.only(t, "ord_b").ID, dispatched, parcel{"DHL", "1"})
		require.NoError(t, err)
		s.settle(t)
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		s.Routes(edge)
		remote := shippingapi.NewRemote(resiliencetest.Caller(t, "shipping", edge.Handler()))
		for _, who := range []auth.Principal{{Role: auth.Operator, Subject: "olga"}, {Role: auth.Service, Subject: "orders"}, {Role: auth.Customer, Subject: order("").Owner}} {
			ctx := auth.With(t.Context(), who)
			here, err := s.Shipments(ctx, references)
			require.NoError(t, err)
			require.Len(t, here, 20)
			there, err := remote.Shipments(ctx, references)
			require.NoError(t, err)
			slices.SortFunc(here, func(a, b shippingapi.Shipment) int { return strings.Compare(a.Reference, b.Reference) })
			require.Equal(t, here, there, who)
		}
		foreign, err := remote.Shipments(authtest.Context(t.Context(), "somebody"), references)
		require.NoError(t, err)
		require.Empty(t, foreign)
		_, err = remote.Shipments(t.Context(), references)
		require.ErrorIs(t, err, auth.ErrUnauthorized)
	})
}
