package orders

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
)

func TestOtherContextsAreToldAllThatTheAPIShowsOfAnOrder(t *testing.T) {
	eachShop(t, func(t *testing.T, s *shop) {
		s.behave()
		wish := basket()
		wish.Email, wish.Metadata = "ada@example.org", map[string]string{"gift": "yes"}
		wish.Address.Line2, wish.Address.Region, wish.Address.Phone = "second floor", "Greater London", "+44 20 7946 0000"
		placed := s.call("POST", "/v1/orders", wish, "Idempotency-Key", freshKey()).is(201).order()
		s.cancel(placed.ID)
		s.untilStatus(placed.ID, Cancelled)

		o, err := s.m.Order(auth.With(t.Context(), auth.Principal{Role: auth.Operator, Subject: "o"}), placed.ID)
		require.NoError(t, err)
		require.NotNil(t, o.Cancellation)
		told, err := json.Marshal(o)
		require.NoError(t, err)
		require.JSONEq(t, string(s.get("/v1/orders/"+placed.ID).is(200).body), string(told))

		_, err = s.m.Order(authtest.Context(t.Context(), "cus_other"), placed.ID)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.m.Order(context.Background(), placed.ID)
		require.ErrorIs(t, err, ErrNotFound, "nobody")
	})
}
