package catalog

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/sqldb"
)

const (
	skuPattern     = `^[A-Za-z0-9][A-Za-z0-9._-]*$`
	maxSKU         = 64
	maxName        = 200    // characters
	maxDescription = 10_000 // characters
)

var (
	// ErrNotFound: there is no product with that SKU.
	ErrNotFound = fault.New(fault.NotFound, "product_not_found", "there is no product with this SKU")
	// ErrInvalidProduct: a product cannot be like that; the fields say why.
	ErrInvalidProduct = fault.New(fault.Invalid, "invalid_product", "the product breaks a rule")
)

// product is what is sold under a SKU.
type product struct {
	SKU         string `db:"sku"`
	Name        string `db:"name"`
	Description string `db:"description"`
	Amount      int64  `db:"price_amount"`
	Currency    string `db:"price_currency"`
	Active      bool   `db:"active"`
	Version     int64  `db:"version"`
	Change      int64  `db:"change"`
	CreatedAt   int64  `db:"created_at"` // microseconds, as UpdatedAt
	UpdatedAt   int64  `db:"updated_at"`
}

// spec says what a product shall be.
type spec struct {
	SKU         string
	Name        string
	Description string
	Price       money.Money
	Active      bool
}

// become is the product as the spec wants it, in the given change; the zero product becomes the first version. When the product is like that already,
// it stays what it is and changed is false.
func (p product) become(s spec, change int64, at time.Time) (next product, changed bool) {
	next = p
	next.SKU, next.Name, next.Description = s.SKU, s.Name, s.Description
	next.Amount, next.Currency, next.Active = s.Price.Amount, s.Price.Currency, s.Active
	if next == p {
		return p, false
	}
	next.Version, next.Change = p.Version+1, change
	next.UpdatedAt = max(sqldb.Micros(at), p.UpdatedAt) // another replica's clock may be ahead
	if p.Version == 0 {
		next.CreatedAt = next.UpdatedAt
	}
	return next, true
}

func (p product) price() catalogapi.Price {
	return catalogapi.Price{SKU: p.SKU, Name: p.Name, Price: money.Money{Amount: p.Amount, Currency: p.Currency}, Active: p.Active}
}

func (p product) event() catalogapi.ProductChanged {
	return catalogapi.ProductChanged{Price: p.price(), Version: p.Version}
}

// searchText is where a search looks: the SKU and the name in lower case.
func (p product) searchText() string { return strings.ToLower(p.SKU + "\n" + p.Name) }

var validSKU = regexp.MustCompile(skuPattern)

// check says which rules the spec breaks; at is where the product stands in the input, such as body. Errors: ErrInvalidProduct.
func (s spec) check(at string) error {
	var broken []fault.Field
	rule := func(kept bool, part, expected string) {
		if !kept {
			broken = append(broken, fault.Field{Location: at + "." + part, Detail: expected})
		}
	}
	rule(len(s.SKU) <= maxSKU && validSKU.MatchString(s.SKU), "sku", "expected 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit")
	rule(isLine(s.Name) && utf8.RuneCountInString(s.Name) <= maxName, "name", "expected one line of 1 to 200 characters, not blank")
	rule(isText(s.Description) && utf8.RuneCountInString(s.Description) <= maxDescription, "description", "expected text of at most 10000 characters")
	rule(s.Price.Amount >= 0, "price.amount", "expected an amount that is not negative")
	rule(isCurrency(s.Price.Currency), "price.currency", "expected a currency code of ISO 4217")
	if broken != nil {
		return ErrInvalidProduct.With(broken...)
	}
	return nil
}

func isLine(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) != "" && strings.IndexFunc(s, unicode.IsControl) < 0
}

func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// checkAll checks every spec of a list, and that no SKU stands in it twice: which of the two should win? Errors: ErrInvalidProduct.
func checkAll(specs []spec, at string) error {
	seen := make(map[string]bool, len(specs))
	for i, s := range specs {
		here := fmt.Sprintf("%s[%d]", at, i)
		if err := s.check(here); err != nil {
			return err
		}
		if seen[s.SKU] {
			return ErrInvalidProduct.With(fault.Field{Location: here + ".sku", Detail: "expected each SKU only once"})
		}
		seen[s.SKU] = true
	}
	return nil
}
