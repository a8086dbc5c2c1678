package notifications

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"unicode"
)

// Each kind has a text and an HTML template, which define its "message"; the layouts put it into a whole. HTML templates escape by context, texts have nothing to
// escape: they are sent as text/plain.
//
//go:embed templates
var templates embed.FS

type template struct {
	subject string // with %s for the order
	text    *texttemplate.Template
	html    *htmltemplate.Template
}

var messages = map[kind]template{
	orderConfirmed: parse(orderConfirmed, "Your order %s is confirmed"),
	orderShipped:   parse(orderShipped, "Your order %s is on its way"),
	orderCancelled: parse(orderCancelled, "Your order %s is cancelled"),
	refundedKind:   parse(refundedKind, "A refund for your order %s"),
}

func parse(k kind, subject string) template {
	return template{
		subject: subject,
		text:    texttemplate.Must(texttemplate.ParseFS(templates, "templates/layout.txt", "templates/"+string(k)+".txt")),
		html:    htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/layout.html", "templates/"+string(k)+".html")),
	}
}

// reasons say in a sentence why an order was cancelled, by the code that orders gives.
var reasons = map[string]string{
	"out_of_stock":     "We are sorry: something you ordered is no longer in stock.",
	"payment_declined": "Your payment was declined.",
	"customer_request": "You asked us to cancel it.",
	"timed_out":        "We are sorry: we could not complete it in time.",
	"failed":           "We are sorry: we could not complete it.",
}

// letter is what the templates see.
type letter struct {
	news

	Shop    string
	Name    string // of the customer; may be empty
	OrderID string
	Why     string // a sentence; for a cancelled order
}

// rendered is a message ready to be sent.
type rendered struct{ subject, text, html string }

// render writes the message. Errors: a kind that this program does not know, data that cannot be read.
func (in intent) render(shop string) (rendered, error) {
	n, err := in.news()
	if err != nil {
		return rendered{}, err
	}
	t, found := messages[in.kind()]
	if !found {
		return rendered{}, fmt.Errorf("there is no template for %s", in.kind())
	}
	n.Carrier, n.TrackingNumber = oneLine(n.Carrier), oneLine(n.TrackingNumber)
	l := letter{news: n, Shop: oneLine(shop), Name: oneLine(in.Name), OrderID: oneLine(in.orderID()), Why: reasons[n.Reason]}
	var text, html strings.Builder
	if err := t.text.ExecuteTemplate(&text, "layout.txt", l); err != nil {
		return rendered{}, err
	}
	if err := t.html.ExecuteTemplate(&html, "layout.html", l); err != nil {
		return rendered{}, err
	}
	return rendered{subject: fmt.Sprintf(t.subject, l.OrderID), text: text.String(), html: html.String()}, nil
}

// oneLine makes a text fit for a header and for one line: no line breaks, no control characters, nothing that turns the direction of writing, not too long.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return strings.TrimSpace(s)
}
