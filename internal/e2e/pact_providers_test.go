//go:build pact

package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pact-foundation/pact-go/v2/models"
	"github.com/pact-foundation/pact-go/v2/provider"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
)

// states make what a contract takes for granted, through the API of the shop, and say by which ids it is to be found.
func states(p *running) models.StateHandlers {
	made := 0
	orderOfAnn := func() answer {
		made++
		body := orderOf("pm_test_ok", "TEA", 1)
		body["customer_id"], body["email"], body["metadata"] = "ann", "ann@example.org", map[string]any{"basket": "7"}
		return p.place(fmt.Sprintf("pact-%d", made), body)
	}
	tea := func() { p.product("TEA", 750, 1000) }
	state := func(make func() models.ProviderStateResponse) models.StateHandler {
		return func(setup bool, _ models.ProviderState) (models.ProviderStateResponse, error) {
			if !setup {
				return nil, nil //nolint:nilnil // nothing to undo, and nothing to say
			}
			return make(), nil
		}
	}
	shipment := func(order any) string {
		var id string
		eventually(p.t, "there is a shipment", func() bool {
			list, _ := p.do("GET", fmt.Sprintf("/v1/shipments?order_id=%v", order), nil).Body["data"].([]any)
			if len(list) == 1 {
				id = list[0].(map[string]any)["id"].(string)
			}
			return id != ""
		})
		return id
	}
	return models.StateHandlers{
		"TEA is sold": state(func() models.ProviderStateResponse { tea(); return nil }),
		teaInStock:    state(func() models.ProviderStateResponse { tea(); return nil }),
		confirmed: state(func() models.ProviderStateResponse {
			tea()
			id := orderOfAnn().Body["id"]
			shipment(id) // the last of what happens by itself: from now on it stays as it is
			return models.ProviderStateResponse{"order_id": id}
		}),
		delivered: state(func() models.ProviderStateResponse {
			tea()
			id := orderOfAnn().Body["id"]
			path := "/v1/shipments/" + shipment(id)
			require.Equal(p.t, http.StatusOK, p.do("POST", path+"/dispatch", map[string]any{"carrier": "post", "tracking_number": "T1"}).Status)
			require.Equal(p.t, http.StatusOK, p.do("POST", path+"/deliver", map[string]any{}).Status)
			return models.ProviderStateResponse{"order_id": id}
		}),
		ada: state(func() models.ProviderStateResponse {
			a := p.do("POST", "/v1/customers", map[string]any{"id": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0000", "addresses": []any{map[string]any{
				"name": "Ada Lovelace", "line1": "12 St James Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB", "default": true}}})
			require.Contains(p.t, []int{http.StatusCreated, http.StatusConflict}, a.Status, string(a.Raw))
			return nil
		}),
	}
}

// withTokens gives questions the token of whom the contract names.
func withTokens(p *running) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if who, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				principal := auth.Principal{Role: auth.Customer, Subject: who}
				if who == operator.Subject {
					principal = operator
				}
				r.Header.Set("Authorization", "Bearer "+tokenOf(p.t, p.signer, principal))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// The contracts that the consumers wrote are kept by the program as it is.
func TestPactTheShopAnswersAsWasAgreed(t *testing.T) {
	contracts, err := filepath.Glob(filepath.Join(pactsDir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, contracts)
	p := newShop(t, "sqlite:"+t.TempDir()).serve()
	for _, file := range contracts {
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		t.Run(filepath.Base(file), func(t *testing.T) {
			require.NoError(t, provider.NewVerifier().VerifyProvider(t, provider.VerifyRequest{
				Provider: name, ProviderBaseURL: p.URL, PactFiles: []string{file}, StateHandlers: states(p), RequestFilter: withTokens(p), DisableColoredOutput: true,
			}))
		})
	}
}

// Whatever can be asked from afar is asked under a contract.
func TestPactEveryRemoteHasAContract(t *testing.T) {
	remotes, err := filepath.Glob("../*/*api/remote.go")
	require.NoError(t, err)
	require.NotEmpty(t, remotes)
	for _, remote := range remotes {
		context := filepath.Base(filepath.Dir(filepath.Dir(remote)))
		contracts, err := filepath.Glob(filepath.Join(pactsDir, "*-"+context+".json"))
		require.NoError(t, err)
		require.NotEmpty(t, contracts, "nobody says what they ask %s", context)
	}
}
