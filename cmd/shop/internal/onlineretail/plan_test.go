package onlineretail

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planned reads the lines, without a header.
func planned(t *testing.T, lines ...string) *Plan {
	t.Helper()
	p, err := Read(written(t, header+strings.Join(lines, "\n")+"\n"))
	require.NoError(t, err)
	return p
}

func productsOf(p *Plan) map[string]Product {
	products := map[string]Product{}
	for _, product := range p.Products {
		products[product.SKU] = product
	}
	return products
}

func TestThePriceACodeIsMostlySoldAtHasTheBareCode(t *testing.T) {
	p := planned(t,
		"1,22139,RETRO,1,d,4.25,1,France",
		"2,22139,RETRO SPOT,2,d,4.95,2,France",
		"3,22139,RETRO SPOT,3,d,4.95,3,France",
		"4,22140,,5,d,0.29,4,France",
		"4,22140,,6,d,0.30,4,France",
	)
	require.Equal(t, map[string]Product{
		"22139":     {"22139", "RETRO SPOT", 495, 5},
		"22139-425": {"22139-425", "RETRO SPOT", 425, 1},
		"22140":     {"22140", "22140", 29, 5}, // as often as the other, but first; without a description
		"22140-30":  {"22140-30", "22140", 30, 6},
	}, productsOf(p))
	require.Equal(t, "22139-425", p.Orders[0].Items[0].SKU)
	require.Equal(t, "22139", p.Orders[1].Items[0].SKU)
}

func TestAnInvoiceIsAnOrderOfItsUsableLines(t *testing.T) {
	p := planned(t,
		"536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
		"536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,17850.0,United Kingdom",
		"536365,85123A,HEART,2,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
		"C536366,85123A,HEART,-2,2010-12-01 08:27:00,2.55,17850.0,United Kingdom",
		"536367,M,MANUAL,1,2010-12-01 08:28:00,2.55,,EIRE",
		"536368,71053,LANTERN,1,2010-12-01 08:29:00,3.39,,EIRE",
		"536365,71053,LANTERN,1,2010-12-01 08:26:00,3.39,17850.0,United Kingdom", // comes late
	)
	require.Equal(t, 7, p.Lines)
	require.Len(t, p.Orders, 2)
	first, second := p.Orders[0], p.Orders[1]
	require.Equal(t, "536365", first.Invoice)
	require.EqualValues(t, 8*255+339, first.Pence)
	require.Len(t, first.Items, 2)
	require.EqualValues(t, 8, first.Items[0].Quantity, "two lines of one product are one item")
	require.Equal(t, "536368", second.Invoice)
	require.Len(t, p.Rejected, 3)
	require.Equal(t, Rejected{4 + 1, Cancellation, "", "C536366", "C536366,85123A,HEART,-2,2010-12-01 08:27:00,2.55,17850.0,United Kingdom"}, p.Rejected[1])

	b := first.body()
	require.Equal(t, "cus_17850", b.CustomerID)
	require.Equal(t, addressBody{"Customer 17850", "Invoice 536365", "United Kingdom", "GB"}, b.Address)
	require.Equal(t, map[string]string{"source": "online-retail", "invoice": "536365", "invoice_date": "2010-12-01 08:26:00"}, b.Metadata)
	require.EqualValues(t, 8*255+339, b.ExpectedTotal.Amount)
	require.Empty(t, second.body().CustomerID, "a guest")
	require.Equal(t, "IE", second.body().Address.Country)
}

func TestWhatAnOrderCannotHoldIsReported(t *testing.T) {
	p := planned(t, "1,12345,X,9000,d,1.00,1,France", "1,12345,X,1000,d,1.00,1,France", "1,12345,X,1,d,1.00,1,France")
	require.EqualValues(t, maxQuantity, p.Orders[0].Items[0].Quantity)
	require.Len(t, p.Rejected, 1)
	require.Equal(t, QuantityTooLarge, p.Rejected[0].Reason)

	var lines []string
	for i := range maxItems + 1 {
		lines = append(lines, fmt.Sprintf("1,%05d,X,1,d,1.00,1,France", i))
	}
	p = planned(t, lines...)
	require.Len(t, p.Orders[0].Items, maxItems)
	require.Len(t, p.Rejected, 1)
	require.Equal(t, TooManyItems, p.Rejected[0].Reason)
}

func TestKeysAreMadeOfTheContent(t *testing.T) {
	a := planned(t, "1,12345,X,1,d,1.00,1,France")
	require.Equal(t, a.key("order/1"), planned(t, "1,12345,X,1,d,1.00,1,France").key("order/1"))
	require.NotEqual(t, a.key("order/1"), planned(t, "1,12345,X,2,d,1.00,1,France").key("order/1"))
	require.Regexp(t, `^online-retail/[0-9a-f]{16}/[!-~]+$`, a.key("order/1 é"))
}

func TestNamesAreFitForTheCatalog(t *testing.T) {
	require.Equal(t, "A B", cleanName("  A\t\x00 B "))
	require.Len(t, []rune(cleanName(strings.Repeat("é", 300))), 200)
	require.Empty(t, cleanName(" \x7f "))
}

func TestEachCountryHasACode(t *testing.T) {
	for name, code := range countries {
		require.Regexp(t, `^[A-Z]{2}$`, code, name)
	}
	require.Equal(t, "GB", countryCode("United Kingdom"))
	require.Equal(t, unknownCountry, countryCode("Atlantis"))
}

func TestTheReportShowsEveryLineAsItIs(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteReport(&b, []Rejected{{3, Malformed, "", "", `a,"b`}, {5, Refused, "409 total_changed", "536365", "x\ty"}}))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{{"line", "reason", "detail", "invoice", "text"}, {"3", "malformed", "", "", `a,"b`}, {"5", "refused", "409 total_changed", "536365", "x\ty"}}, rows)
}

// Whatever the file, every line is in an order or reported, stock is what the orders need, and each order is worth what its items cost.
func TestNoLineIsDroppedInSilence(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[dice.IntN(len(of))] }
	var lines []string
	for range 2000 {
		lines = append(lines, strings.Join([]string{
			pick("", "C") + fmt.Sprint(100+dice.IntN(50)), pick("12345", "12345a", "54321", "POST", "", "DCGS0001"), pick("X", `"Y"`, `"Z`, ""),
			pick("1", "6000", "-1", "0", "20000", "x"), "2010", pick("1.00", "2.5", "0.0", "0.001", "-1", "2000000", ""), pick("17850.0", "", "?"), "France",
		}, pick(",", ",", ",", ",", ";")))
	}
	verify(t, planned(t, lines...))
}

func verify(t *testing.T, p *Plan) {
	t.Helper()
	seen := map[int]bool{}
	for _, r := range p.Rejected {
		require.False(t, seen[r.Line])
		seen[r.Line] = true
	}
	products, stock := productsOf(p), map[string]int64{}
	require.Len(t, products, len(p.Products), "each SKU once")
	for _, o := range p.Orders {
		var items, sum int64
		for _, l := range o.lines {
			require.False(t, seen[l.number])
			seen[l.number] = true
			sum += l.quantity * l.pence
		}
		for _, it := range o.Items {
			items += it.Quantity * products[it.SKU].Pence
			stock[it.SKU] += it.Quantity
		}
		require.Equal(t, sum, items)
		require.Equal(t, sum, o.Pence)
	}
	require.Len(t, seen, p.Lines)
	for sku, product := range products {
		require.Equal(t, stock[sku], product.Stock, sku)
	}
}

func TestTheRealFileIsUnderstood(t *testing.T) {
	p, err := Read(realFile(t))
	require.NoError(t, err)
	verify(t, p)
	require.Equal(t, 77_628, p.Lines)
	reasons := map[Reason]int{}
	for _, r := range p.Rejected {
		reasons[r.Reason]++
	}
	require.Equal(t, map[Reason]int{Cancellation: 1429, NotMerchandise: 324, PriceNotAbove0: 246, QuantityNotAbove0: 166, QuantityTooLarge: 1}, reasons)
	require.Len(t, p.Orders, 2630)
	var sum int64
	for _, o := range p.Orders {
		sum += o.Pence
		require.NotEqual(t, unknownCountry, countryCode(o.Country), o.Country)
	}
	require.EqualValues(t, 1_372_681_36, sum)
}

// realFile is a file of the data set, which is not part of this repository.
func realFile(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHOP_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared", "data")
	}
	name := filepath.Join(dir, "online-retail", "2010-12_2011-01.csv.gz")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no data set: %v; SHOP_TEST_DATA names a directory with online-retail/2010-12_2011-01.csv.gz", err)
	}
	return name
}
