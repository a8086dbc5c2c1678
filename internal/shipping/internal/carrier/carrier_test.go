package carrier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/money"
)

func TestThePriceOfAnOptionIsThatOfTheTable(t *testing.T) {
	rates := Rates{Home: "DE", Currency: "EUR"}
	require.Equal(t, []Option{
		{"standard", money.Money{Amount: 490, Currency: "EUR"}, 3},
		{"express", money.Money{Amount: 990, Currency: "EUR"}, 1},
	}, rates.Options("DE", 1))
	require.Equal(t, []Option{
		{"standard", money.Money{Amount: 990 + 2*120, Currency: "EUR"}, 6},
		{"express", money.Money{Amount: 1990 + 2*200, Currency: "EUR"}, 2},
	}, rates.Options("FR", 3))
}

func TestTheZoneFollowsFromBothCountries(t *testing.T) {
	for _, c := range []struct {
		home, country string
		want          zone
	}{
		{"DE", "DE", domestic},
		{"DE", "FR", union},
		{"DE", "GB", world},
		{"DE", "US", world},
		{"GB", "GB", domestic},
		{"GB", "IE", world}, // from outside the union, its members are abroad
		{"IE", "GB", world},
		{"DE", "E", world},
		{"DE", "", world},
	} {
		require.Equal(t, c.want, Rates{Home: c.home}.zoneOf(c.country), "%s to %s", c.home, c.country)
	}
}

func TestFartherFasterAndMoreCostsMore(t *testing.T) {
	rates := Rates{Home: "DE", Currency: "EUR"}
	for _, units := range []int64{1, 2, 1_000_000} {
		home, eu, far := rates.Options("DE", units), rates.Options("FR", units), rates.Options("US", units)
		for i := range home {
			require.Less(t, home[i].Price.Amount, eu[i].Price.Amount)
			require.Less(t, eu[i].Price.Amount, far[i].Price.Amount)
		}
		for country, options := range map[string][]Option{"DE": home, "FR": eu, "US": far} {
			require.Len(t, options, 2)
			require.Less(t, options[0].Price.Amount, options[1].Price.Amount, country)
			require.Greater(t, options[0].Days, options[1].Days, country)
			for i, more := range rates.Options(country, units+1) {
				require.Greater(t, more.Price.Amount, options[i].Price.Amount)
			}
		}
	}
}
