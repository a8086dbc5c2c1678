package onlineretail

import (
	"encoding/csv"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Reason is why a line of the file is no part of an order.
type Reason string

const (
	Malformed         Reason = "malformed"                 // it cannot be understood
	Cancellation      Reason = "cancellation"              // of an earlier invoice; its number begins with C
	NotMerchandise    Reason = "not_merchandise"           // postage, fees, vouchers, discounts, corrections
	QuantityNotAbove0 Reason = "quantity_not_positive"     // returned, damaged, lost
	QuantityTooLarge  Reason = "quantity_over_limit"       // more of a SKU than an order may have
	PriceNotAbove0    Reason = "price_not_positive"        // given away, or a correction
	PriceTooHigh      Reason = "price_over_limit"          // beyond what a product may cost
	FractionOfPenny   Reason = "price_fraction_of_a_penny" // cannot be paid
	TooManyItems      Reason = "too_many_items"            // more SKUs than an order may have
	Refused           Reason = "refused"                   // the shop did not take the order; the detail says why
)

// The limits of the API.
const (
	maxQuantity = 10_000
	maxItems    = 1_000
	maxPence    = 1_000_000_00
)

// merchandise are the stock codes of goods: five digits and a variant, or those of two departments. Everything else in the data set is a service or a correction:
// POST, DOT, C2, M, D, S, B, CRUK, PADS, AMAZONFEE, BANK CHARGES, gift_0001_20, ADJUST, TEST001.
var merchandise = regexp.MustCompile(`^([0-9]{5}[A-Za-z]{0,4}|(DCGS|SP)[0-9]{4}[A-Za-z]{0,4})$`)

// reject says why a line that can be read cannot be ordered; empty when it can.
func (l line) reject() Reason {
	switch {
	case strings.HasPrefix(strings.ToUpper(l.invoice), "C"):
		return Cancellation
	case !merchandise.MatchString(l.code):
		return NotMerchandise
	case l.quantity <= 0:
		return QuantityNotAbove0
	case l.fraction:
		return FractionOfPenny
	case l.pence <= 0:
		return PriceNotAbove0
	case l.quantity > maxQuantity:
		return QuantityTooLarge
	case l.pence > maxPence:
		return PriceTooHigh
	}
	return ""
}

// Rejected is a line that is no part of an order.
type Rejected struct {
	Line    int // in the file, from 1
	Reason  Reason
	Detail  string
	Invoice string
	Text    string // as it stands in the file
}

func (l line) rejected(why Reason, detail string) Rejected {
	return Rejected{Line: l.number, Reason: why, Detail: detail, Invoice: l.invoice, Text: l.text}
}

// WriteReport writes the lines as CSV, with a header. Errors: those of the writer.
func WriteReport(w io.Writer, lines []Rejected) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"line", "reason", "detail", "invoice", "text"}) // Flush keeps the error
	for _, r := range lines {
		_ = c.Write([]string{strconv.Itoa(r.Line), string(r.Reason), r.Detail, r.Invoice, r.Text})
	}
	c.Flush()
	return c.Error()
}
