package onlineretail

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFile reads whatever is called a file of Online Retail. What it takes for a line that can be ordered must be one.
func FuzzFile(f *testing.F) {
	const head = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
	f.Add([]byte(head + "536365,85123A,WHITE HANGING HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom\n"))
	f.Add([]byte("\ufeff" + head + "\"536365\",85123A,\"A, B\",-6,2010-12-01 08:26:00,2.555,17850.0,\xa3\n\n,,,\n"))
	f.Add([]byte(head + "C1,POST,,1,,99999999999999999999,,EIRE\n1,2,3,1,5,-.5,7,8\n1,2,\"3"))
	f.Add([]byte("Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\r\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		text := strings.Split(string(content), "\n")
		_ = readLines(strings.NewReader(string(content)), func(l line, why Reason) {
			require.Greater(t, l.number, 1)
			require.LessOrEqual(t, l.number, len(text))
			require.Equal(t, strings.TrimSuffix(text[l.number-1], "\r"), l.text, "the line that is reported is the line of the file")
			if why != "" {
				return
			}
			require.NotEmpty(t, l.invoice)
			require.NotEmpty(t, l.code)
			require.Positive(t, l.quantity)
			require.Positive(t, l.pence)
			require.False(t, l.fraction)
		})
	})
}

// FuzzPrice holds the reading of prices against exact fractions.
func FuzzPrice(f *testing.F) {
	for _, seed := range []string{"2.55", "-11062.06", "0.001", "1.", ".5", "1e3", "92233720368547758.07", "92233720368547758.08", "--1", "1.2.3", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pence, fraction, err := parsePence(s)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(s)
		require.True(t, ok, s)
		exact.Mul(exact, big.NewRat(100, 1))
		require.Equal(t, !exact.IsInt(), fraction, s)
		whole := new(big.Int).Quo(exact.Num(), exact.Denom()) // towards zero
		require.Equal(t, whole.String(), big.NewInt(pence).String(), s)
	})
}
