// Package carrier knows what it costs to send a parcel, and how long it takes. It is a table, calculated by country and number of units: weight, volume and the tariffs of real
// carriers are not known here. A carrier's own service can take its place behind Options.
package carrier

import (
	"strings"

	"shop/internal/platform/money"
)

// Rates are the prices of parcels that leave from Home.
type Rates struct {
	Home     string // ISO 3166-1 alpha-2
	Currency string // ISO 4217; the table's amounts are minor units of it, whichever it is
}

// Option is one way to send a parcel.
type Option struct {
	Service string // standard or express
	Price   money.Money
	Days    int // working days
}

// zone is how far it is.
type zone int

const (
	domestic zone = iota
	union         // both countries belong to the European Union: no customs
	world
)

// rate is what a service costs in a zone.
type rate struct {
	service string
	first   int64 // for the first unit
	further int64 // for each further unit
	days    int
}

var table = map[zone][]rate{
	domestic: {{"standard", 490, 50, 3}, {"express", 990, 80, 1}},
	union:    {{"standard", 990, 120, 6}, {"express", 1990, 200, 2}},
	world:    {{"standard", 1990, 300, 14}, {"express", 3990, 500, 5}},
}

// members of the European Union, 2024.
const members = " AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK "

func member(country string) bool {
	return len(country) == 2 && strings.Contains(members, " "+country+" ")
}

func (r Rates) zoneOf(country string) zone {
	switch {
	case country == r.Home:
		return domestic
	case member(country) && member(r.Home):
		return union
	}
	return world
}

// Options are the ways to send a number of units, at least one, to a country; the cheapest first.
func (r Rates) Options(country string, units int64) []Option {
	rates := table[r.zoneOf(country)]
	options := make([]Option, len(rates))
	for i, rate := range rates {
		options[i] = Option{rate.service, money.Money{Amount: rate.first + (units-1)*rate.further, Currency: r.Currency}, rate.days}
	}
	return options
}
