// Package money is an amount in a currency, in the currency's minor units. There are no fractions of a
// minor unit and no floats: 19.99 EUR is {1999, "EUR"}.
package money

import (
	"fmt"
	"math/bits"
	"strings"

	"shop/internal/platform/fault"
)

// Money is an amount in minor units of an ISO 4217 currency. The zero value has no currency and adds to any.
type Money struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)" example:"1999"`
	Currency string `json:"currency" doc:"ISO 4217 code" minLength:"3" maxLength:"3" pattern:"^[A-Z]{3}$" example:"EUR"`
}

var (
	// ErrOverflow: the amount does not fit 64 bits.
	ErrOverflow = fault.New(fault.Invalid, "amount_overflow", "the amount is too large")
	// ErrMixedCurrencies: amounts of two currencies cannot be added or compared.
	ErrMixedCurrencies = fault.New(fault.Invalid, "mixed_currencies", "all amounts must be in one currency")
)

// Add sums two amounts. Errors: ErrMixedCurrencies, ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	switch {
	case m == Money{}:
		return o, nil
	case o == Money{}:
		return m, nil
	case m.Currency != o.Currency:
		return Money{}, ErrMixedCurrencies
	}
	sum := m.Amount + o.Amount
	if (sum > m.Amount) != (o.Amount > 0) {
		return Money{}, ErrOverflow
	}
	return Money{sum, m.Currency}, nil
}

// Times multiplies by a count that is not negative. Errors: ErrOverflow.
func (m Money) Times(n int64) (Money, error) {
	if m.Amount < 0 || n < 0 {
		return Money{}, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(m.Amount), uint64(n))
	if hi != 0 || lo > 1<<63-1 {
		return Money{}, ErrOverflow
	}
	return Money{int64(lo), m.Currency}, nil
}

// decimals of the currencies that do not have two; ISO 4217, table A.1.
var decimals = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
	"UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// String is the amount for people: "19.99 EUR".
func (m Money) String() string {
	d, ok := decimals[m.Currency]
	if !ok {
		d = 2
	}
	sign, size := "", uint64(m.Amount)
	if m.Amount < 0 {
		sign, size = "-", -size // not -m.Amount: the smallest amount has no positive counterpart
	}
	digits := fmt.Sprintf("%0*d", d+1, size)
	if d > 0 {
		digits = digits[:len(digits)-d] + "." + digits[len(digits)-d:]
	}
	return strings.TrimSpace(sign + digits + " " + m.Currency)
}
