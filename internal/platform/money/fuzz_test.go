package money_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/money"
)

// FuzzMoney holds sums and products against arithmetic without bounds, and the form for people against the amount.
func FuzzMoney(f *testing.F) {
	f.Add(int64(1999), int64(1), "EUR", "EUR")
	f.Add(int64(math.MaxInt64), int64(1), "EUR", "EUR")
	f.Add(int64(math.MinInt64), int64(-1), "JPY", "JPY")
	f.Add(int64(1<<53), int64(10_000), "BHD", "USD")
	f.Add(int64(-5), int64(0), "", "")
	f.Fuzz(func(t *testing.T, a, b int64, currency, other string) {
		x, y := money.Money{Amount: a, Currency: currency}, money.Money{Amount: b, Currency: other}
		sum, err := x.Add(y)
		exact := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		switch {
		case currency != other && x != (money.Money{}) && y != (money.Money{}):
			require.ErrorIs(t, err, money.ErrMixedCurrencies)
		case !exact.IsInt64():
			require.ErrorIs(t, err, money.ErrOverflow)
		default:
			require.NoError(t, err)
			require.Equal(t, exact.Int64(), sum.Amount)
		}

		product, err := x.Times(b)
		exact.Mul(big.NewInt(a), big.NewInt(b))
		if a < 0 || b < 0 || !exact.IsInt64() {
			require.ErrorIs(t, err, money.ErrOverflow)
		} else {
			require.NoError(t, err)
			require.Equal(t, money.Money{Amount: exact.Int64(), Currency: currency}, product)
		}

		digits := strings.Replace(money.Money{Amount: a, Currency: "EUR"}.String(), ".", "", 1)
		read, ok := new(big.Int).SetString(strings.TrimSuffix(digits, " EUR"), 10)
		require.True(t, ok, digits)
		require.Equal(t, a, read.Int64())
	})
}
