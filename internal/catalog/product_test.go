package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func mug() spec {
	return spec{SKU: "MUG-1", Name: "Blue mug", Description: "Holds 350 ml.", Price: money.Money{Amount: 1999, Currency: "EUR"}, Active: true}
}

func TestAProductIsMadeAsItsFirstVersion(t *testing.T) {
	p, changed := product{}.become(mug(), 7, noon)
	require.True(t, changed)
	require.Equal(t, product{
		SKU: "MUG-1", Name: "Blue mug", Description: "Holds 350 ml.", Amount: 1999, Currency: "EUR", Active: true,
		Version: 1, Change: 7, CreatedAt: sqldb.Micros(noon), UpdatedAt: sqldb.Micros(noon),
	}, p)
}

func TestEveryDifferenceIsANewVersion(t *testing.T) {
	first, _ := product{}.become(mug(), 1, noon)
	for name, alter := range map[string]func(*spec){
		"name":        func(s *spec) { s.Name = "Red mug" },
		"description": func(s *spec) { s.Description = "" },
		"amount":      func(s *spec) { s.Price.Amount = 0 },
		"currency":    func(s *spec) { s.Price.Currency = "USD" },
		"activity":    func(s *spec) { s.Active = false },
	} {
		t.Run(name, func(t *testing.T) {
			s := mug()
			alter(&s)
			p, changed := first.become(s, 2, noon.Add(time.Hour))
			require.True(t, changed)
			require.EqualValues(t, 2, p.Version)
			require.EqualValues(t, 2, p.Change)
			require.Equal(t, first.CreatedAt, p.CreatedAt)
			require.Equal(t, sqldb.Micros(noon.Add(time.Hour)), p.UpdatedAt)
		})
	}
}

func TestAProductThatIsLikeThatAlreadyStaysWhatItIs(t *testing.T) {
	first, _ := product{}.become(mug(), 1, noon)
	p, changed := first.become(mug(), 2, noon.Add(time.Hour))
	require.False(t, changed)
	require.Equal(t, first, p)
}

func TestAProductIsNeverChangedBeforeItsLastChange(t *testing.T) {
	first, _ := product{}.become(mug(), 1, noon)
	s := mug()
	s.Active = false
	p, _ := first.become(s, 2, noon.Add(-10*time.Minute)) // by a replica whose clock is behind
	require.Equal(t, first.UpdatedAt, p.UpdatedAt)
}

func TestASpecThatBreaksARuleIsRefusedByTheField(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*spec)
		field string
	}{
		"no SKU":                    {func(s *spec) { s.SKU = "" }, "body.sku"},
		"a SKU that begins with -":  {func(s *spec) { s.SKU = "-1" }, "body.sku"},
		"a SKU with a slash":        {func(s *spec) { s.SKU = "a/b" }, "body.sku"},
		"a SKU with a newline":      {func(s *spec) { s.SKU = "a\n" }, "body.sku"},
		"a long SKU":                {func(s *spec) { s.SKU = strings.Repeat("a", 65) }, "body.sku"},
		"no name":                   {func(s *spec) { s.Name = "" }, "body.name"},
		"a blank name":              {func(s *spec) { s.Name = " \u00a0" }, "body.name"},
		"a name of two lines":       {func(s *spec) { s.Name = "a\nb" }, "body.name"},
		"a long name":               {func(s *spec) { s.Name = strings.Repeat("ß", 201) }, "body.name"},
		"a name that is no text":    {func(s *spec) { s.Name = "a\xff" }, "body.name"},
		"a long description":        {func(s *spec) { s.Description = strings.Repeat("ß", 10_001) }, "body.description"},
		"a description with NUL":    {func(s *spec) { s.Description = "a\x00b" }, "body.description"},
		"a negative price":          {func(s *spec) { s.Price.Amount = -1 }, "body.price.amount"},
		"no currency":               {func(s *spec) { s.Price.Currency = "" }, "body.price.currency"},
		"a currency in small type":  {func(s *spec) { s.Price.Currency = "eur" }, "body.price.currency"},
		"a currency that is none":   {func(s *spec) { s.Price.Currency = "AAA" }, "body.price.currency"},
		"a currency across a blank": {func(s *spec) { s.Price.Currency = "D A" }, "body.price.currency"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mug()
			c.alter(&s)
			err := s.check("body")
			require.ErrorIs(t, err, ErrInvalidProduct)
			require.Len(t, fault.As(err).Fields, 1)
			require.Equal(t, c.field, fault.As(err).Fields[0].Location)
		})
	}
}

func TestTheLongestSpecIsAccepted(t *testing.T) {
	s := spec{
		SKU: strings.Repeat("a", 64), Name: strings.Repeat("ß", 200), Description: strings.Repeat("ß\n", 5000),
		Price: money.Money{Amount: 1<<63 - 1, Currency: "JPY"},
	}
	require.NoError(t, s.check("body"))
}

func TestASKUStandsInABatchOnce(t *testing.T) {
	other := mug()
	other.SKU = "MUG-2"
	require.NoError(t, checkAll([]spec{mug(), other}, "body.products"))
	err := checkAll([]spec{mug(), other, mug()}, "body.products")
	require.ErrorIs(t, err, ErrInvalidProduct)
	require.Equal(t, "body.products[2].sku", fault.As(err).Fields[0].Location)
}
