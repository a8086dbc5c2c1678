package onlineretail

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Currency is that of all prices in the file.
const Currency = "GBP"

// Plan is what a file becomes. It depends on the file's content alone.
type Plan struct {
	Hash     string // SHA-256 of the uncompressed content, in hexadecimal
	Lines    int    // in the file, without the header
	Products []Product
	Orders   []Order    // in the order of the file
	Rejected []Rejected // by line
}

// Product is what is sold at one price.
type Product struct {
	SKU   string
	Name  string
	Pence int64
	Stock int64 // units that all orders need
}

// Order is one invoice.
type Order struct {
	Invoice  string
	Date     string // as it stands in the file
	Customer string // number; empty for a guest
	Country  string // as it stands in the file
	Items    []Item
	Pence    int64 // sum of the lines

	lines []line
}

// Item is a quantity of a product. Lines of an invoice with the same code and price are one item.
type Item struct {
	SKU      string
	Quantity int64

	good good
}

// good is what makes a product: a stock code at a unit price.
type good struct {
	code  string
	pence int64
}

// Read makes the plan of a file, compressed with gzip or not. Errors: those of reading; that it is not a file of this data set.
func Read(file string) (*Plan, error) {
	p := &Plan{}
	index := map[string]int{} // invoice → index in p.Orders
	hash, err := readFile(file, func(l line, why Reason) {
		p.Lines++
		if why == "" {
			why = p.take(l, index)
		}
		if why != "" {
			p.Rejected = append(p.Rejected, l.rejected(why, ""))
		}
	})
	if err != nil {
		return nil, err
	}
	p.Hash = hash
	p.Orders = slices.DeleteFunc(p.Orders, func(o Order) bool { return len(o.lines) == 0 })
	p.name()
	return p, nil
}

// take makes a line part of its invoice's order, or says why it cannot be.
func (p *Plan) take(l line, index map[string]int) Reason {
	i, known := index[l.invoice]
	if !known {
		i = len(p.Orders)
		index[l.invoice] = i
		p.Orders = append(p.Orders, Order{Invoice: l.invoice, Date: l.date, Customer: l.customer, Country: l.country})
	}
	o := &p.Orders[i]
	g := good{l.code, l.pence}
	j := slices.IndexFunc(o.Items, func(it Item) bool { return it.good == g })
	switch {
	case j < 0 && len(o.Items) == maxItems:
		return TooManyItems
	case j < 0:
		o.Items = append(o.Items, Item{Quantity: l.quantity, good: g})
	case o.Items[j].Quantity+l.quantity > maxQuantity:
		return QuantityTooLarge
	default:
		o.Items[j].Quantity += l.quantity
	}
	o.Pence += l.quantity * l.pence // at most 10⁴ × 10⁸ a line
	o.lines = append(o.lines, l)
	return ""
}

// name gives each good its SKU, its name and its stock. The price at which a code is sold on most lines gets the bare code, of several the one that
// comes first in the file.
func (p *Plan) name() {
	var goods []good // in the order of the file
	lines, names := map[good]int{}, map[string]*tally{}
	usual := map[string]good{}
	for _, o := range p.Orders {
		for _, l := range o.lines {
			g := good{l.code, l.pence}
			if lines[g] == 0 {
				goods = append(goods, g)
			}
			lines[g]++
			if names[l.code] == nil {
				names[l.code] = &tally{count: map[string]int{}}
			}
			names[l.code].add(cleanName(l.name))
		}
	}
	for _, g := range goods {
		if best, known := usual[g.code]; !known || lines[g] > lines[best] {
			usual[g.code] = g
		}
	}
	index := make(map[good]int, len(goods))
	for i, g := range goods {
		sku := g.code
		if usual[g.code] != g {
			sku = fmt.Sprintf("%s-%d", g.code, g.pence)
		}
		index[g] = i
		p.Products = append(p.Products, Product{SKU: sku, Name: names[g.code].most(g.code), Pence: g.pence})
	}
	for _, o := range p.Orders {
		for j := range o.Items {
			product := &p.Products[index[o.Items[j].good]]
			product.Stock += o.Items[j].Quantity
			o.Items[j].SKU = product.SKU
		}
	}
}

// tally counts texts; of several that come as often the first wins.
type tally struct {
	texts []string
	count map[string]int
}

func (t *tally) add(s string) {
	if s == "" {
		return
	}
	if t.count[s] == 0 {
		t.texts = append(t.texts, s)
	}
	t.count[s]++
}

func (t *tally) most(otherwise string) string {
	best := otherwise
	for _, s := range t.texts {
		if t.count[s] > t.count[best] {
			best = s
		}
	}
	return best
}

const maxName = 200

// cleanName makes one line of at most maxName characters out of a description.
func cleanName(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)), " ")
	if r := []rune(s); len(r) > maxName {
		s = strings.TrimSpace(string(r[:maxName]))
	}
	return s
}

// Units is the stock of all products together.
func (p *Plan) Units() (n int64) {
	for _, product := range p.Products {
		n += product.Stock
	}
	return n
}

// key names a request of this plan: the same content makes the same keys.
func (p *Plan) key(parts string) string {
	return "online-retail/" + p.Hash[:16] + "/" + url.PathEscape(parts)
}

var customerPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,60}$`)

// customerID is the shop's id of the customer; empty for a guest.
func (o Order) customerID() string {
	if !customerPattern.MatchString(o.Customer) {
		return ""
	}
	return "cus_" + o.Customer
}
