package payments

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/fault"
	"shop/internal/platform/resilience/resiliencetest"
)

func TestAskedFromAfarPaymentsAreTheSame(t *testing.T) {
	eachTill(t, Needs{}, func(t *testing.T, x *till) {
		references := []string{"ord_9", "", "ord_1", "a&b=c", "ord_3", "ord_2", "ord_1"}
		for _, reference := range []string{"ord_1", "ord_2", "ord_3"} {
			x.caller.send(take(reference, map[bool]string{true: "pm_test_ok", false: "pm_test_declined"}[reference != "ord_3"]))
			x.caller.answer(reference)
		}
		remote := paymentsapi.NewRemote(resiliencetest.Caller(t, "payments", x.api))
		for _, who := range []auth.Principal{{Role: auth.Operator, Subject: "olga"}, {Role: auth.Service, Subject: "orders"}, {Role: auth.Customer, Subject: "cus_1"}} {
			ctx := auth.With(t.Context(), who)
			here, err := x.module.Payments(ctx, references)
			require.NoError(t, err)
			require.Len(t, here, 3)
			there, err := remote.Payments(ctx, references)
			require.NoError(t, err)
			slices.SortFunc(here, func(a, b paymentsapi.Payment) int { return strings.Compare(a.Reference, b.Reference) })
			require.Equal(t, here, there, who)
		}
		foreign, err := remote.Payments(authtest.Context(t.Context(), "cus_2"), references)
		require.NoError(t, err)
		require.Empty(t, foreign, "whoever asks is given only what is theirs")
		_, err = remote.Payments(t.Context(), references)
		require.ErrorIs(t, err, auth.ErrUnauthorized, "nobody asks")
		_, err = remote.Payments(authtest.Context(t.Context(), "cus_1"), []string{strings.Repeat("x", 65)})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	})
}
