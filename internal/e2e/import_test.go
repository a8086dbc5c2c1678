package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// retailFile is a file in the format of the data set Online Retail with that many invoices, among them what cannot be ordered.
func retailFile(t testing.TB, invoices int) string {
	t.Helper()
	dice := rand.New(rand.NewPCG(7, uint64(invoices))) // the same file for the same number
	prices := []string{"2.55", "3.39", "0.29", "18.0", "4.95"}
	var b strings.Builder
	b.WriteString("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
	for i := range invoices {
		invoice := 536365 + i
		for range 1 + dice.IntN(12) {
			code := 20000 + dice.IntN(200)
			fmt.Fprintf(&b, "%d,%d,\"PRODUCT %d, BLUE\",%d,2010-12-01 08:26:00,%s,%d.0,United Kingdom\n",
				invoice, code, code, 1+dice.IntN(40), prices[(code+dice.IntN(10)/8)%len(prices)], 17000+dice.IntN(50))
		}
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "C%d,20001,CANCELLED,-1,2010-12-01 08:26:00,2.55,,EIRE\n", invoice)
		case 1:
			fmt.Fprintf(&b, "%d,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,17000.0,France\n", invoice)
		case 2:
			fmt.Fprintf(&b, "%d,20001,GIFT,1,2010-12-01 08:26:00,0.0,17000.0,France\n", invoice)
		}
	}
	name := filepath.Join(t.TempDir(), "retail.csv")
	require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o600))
	return name
}

// imported is what an import says with -o json.
type imported struct {
	Lines struct {
		In, Ordered, Reported int
		BeyondLimit           int `json:"beyond_limit"`
	}
	Orders        struct{ Placed, Repeated, Refused int }
	Statuses      map[string]int
	Ordered, File struct{ Amount int64 }
}

// importing runs an import that must succeed, and its report.
func (s *shop) importing(file string, flags ...string) (imported, []string) {
	s.t.Helper()
	report := filepath.Join(s.t.TempDir(), "report.csv")
	r := s.run(append([]string{"import", "online-retail", file, "-o", "json", "--report", report}, flags...)...)
	require.Equal(s.t, 0, r.code, "%s%s", r.stdout, r.stderr)
	var result imported
	r.decode(s.t, &result)
	b, err := os.ReadFile(report)
	require.NoError(s.t, err)
	return result, strings.Split(strings.TrimSpace(string(b)), "\n")
}

// importTwice imports a file twice and requires that the second time changes nothing.
func importTwice(t *testing.T, s *shop, file string, orders int, flags ...string) {
	t.Helper()
	first, report := s.importing(file, flags...)
	require.Equal(t, orders, first.Orders.Placed)
	require.Zero(t, first.Orders.Repeated)
	require.Equal(t, map[string]int{"confirmed": orders}, first.Statuses)
	require.Equal(t, first.Lines.In, first.Lines.Ordered+first.Lines.Reported+first.Lines.BeyondLimit)
	require.Len(t, report, first.Lines.Reported+1, "a line of the report for each, and its header")
	require.Equal(t, first.File.Amount, first.Ordered.Amount)
	s.audit()
	before := s.tables()

	second, _ := s.importing(file, flags...)
	require.Equal(t, orders, second.Orders.Repeated)
	require.Equal(t, first.Ordered, second.Ordered)
	require.Equal(t, first.Lines, second.Lines)
	after := s.tables()
	require.Len(t, before["orders.order_summaries"], orders)
	require.Len(t, after, len(before))
	for table, rows := range before {
		require.Len(t, after[table], len(rows), table)
		for i := range rows {
			require.Equal(t, rows[i], after[table][i], table)
		}
	}
	s.audit()
}

func TestAnImportTwiceIsAnImportOnce(t *testing.T) {
	atOnce(t, func(t *testing.T, url string) { importTwice(t, newShop(t, url), retailFile(t, 300), 300) })
}

func TestAnImportGoesIntoAShopThatRuns(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir())
	p := s.serve()
	file := retailFile(t, 60)
	part, _ := s.importing(file, "--url", p.URL, "--limit", "20", "--workers", "4")
	require.Equal(t, 20, part.Orders.Placed)
	require.NotZero(t, part.Lines.BeyondLimit)
	all, _ := s.importing(file, "--url", p.URL)
	require.Equal(t, 60, all.Orders.Placed)
	require.Equal(t, 20, all.Orders.Repeated, "what the first part placed")
	require.Zero(t, all.Lines.BeyondLimit)
	p.terminate()
	s.audit()
}

func TestRealInvoicesAreImportedTwice(t *testing.T) {
	dir := os.Getenv("SHOP_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	file, err := filepath.Abs(filepath.Join(dir, "online-retail", "2010-12_2011-01.csv.gz"))
	require.NoError(t, err)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("no data set: %v; SHOP_TEST_DATA names a directory with online-retail/2010-12_2011-01.csv.gz", err)
	}
	importTwice(t, newShop(t, "sqlite:"+t.TempDir()), file, 300, "--limit", "300")
}
