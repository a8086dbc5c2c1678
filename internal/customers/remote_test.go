package customers

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/resilience/resiliencetest"
)

func TestAskedFromAfarCustomersAreTheSame(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		for _, body := range []string{
			`{"id":"auth0|ada","name":"Ada","email":"ada@example.org","addresses":[{"name":"Ada","line1":"1","city":"London","country":"GB","default":true}]}`,
			`{"id":"cus_bob","name":"Bob","email":"bob@example.org"}`, `{"id":"eve","name":"Eve","email":"eve@example.org"}`,
		} {
			require.Equal(t, http.StatusCreated, d.ask(operator, http.MethodPost, "/v1/customers", body).status)
		}
		require.Equal(t, http.StatusNoContent, d.ask(operator, http.MethodDelete, "/v1/customers/eve", "").status)
		remote := customersapi.NewRemote(resiliencetest.Caller(t, "customers", d.handler))
		asked := []string{"cus_bob", "nobody", "auth0|ada", "eve", "cus_bob", "", "no/such id?"}
		for who, want := range map[auth.Principal]int{operator: 2, service: 2, ada: 1, {Role: auth.Customer, Subject: "carl"}: 0} {
			ctx := auth.With(t.Context(), who)
			here, err := d.Customers(ctx, asked)
			require.NoError(t, err)
			there, err := remote.Customers(ctx, asked)
			require.NoError(t, err)
			require.Len(t, there, want)
			require.Equal(t, here, there)
		}
		_, err := remote.Customers(t.Context(), asked)
		require.ErrorIs(t, err, auth.ErrUnauthorized)
	})
}

func TestAnAnswerAboutSomebodyElseIsNone(t *testing.T) {
	remote := customersapi.NewRemote(resiliencetest.Caller(t, "customers", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":"b"}`)) })))
	_, err := remote.Customers(t.Context(), []string{"a"})
	require.Equal(t, fault.Internal, fault.KindOf(err))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = remote.Customers(gone, strings.Split("a b c d e f g h i j k", " "))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}
