package e2e

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"shop/internal/platform/telemetry/otlptest"
)

// traced makes the processes of a deployment export their spans to a receiver in the test, and send their mails, since these belong to the trace.
func traced(t testing.TB, r *otlptest.Receiver) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.Endpoint(), "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_METRICS_EXPORTER=none",
		"SHOP_SMTP_URL=smtp://" + openLetterBox(t) + "?tls=none", "SHOP_MAIL_FROM=Tea Shop <orders@tea.example>"}
}

// letterBox takes every mail.
type letterBox struct{}

func (letterBox) Mail(string, *smtp.MailOptions) error { return nil }
func (letterBox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (letterBox) Reset()                               {}
func (letterBox) Logout() error                        { return nil }
func (letterBox) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func openLetterBox(t testing.TB) string {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return letterBox{}, nil }))
	server.Domain = "mail.example"
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// steps are the messages of an order that is confirmed, and who sends them to whom.
var steps = []struct{ message, from, to string }{
	{"shop.inventory.stock.reserve.v1", "orders", "inventory"},
	{"shop.inventory.stock.reserved.v1", "inventory", "orders"},
	{"shop.payments.payment.take.v1", "orders", "payments"},
	{"shop.payments.payment.captured.v1", "payments", "orders"},
	{"shop.inventory.reservation.commit.v1", "orders", "inventory"},
	{"shop.shipping.shipment.create.v1", "orders", "shipping"},
	{"shop.shipping.shipment.created.v1", "shipping", "orders"},
	{"shop.orders.order.confirmed.v1", "orders", "notifications"},
}

// isOneTrace waits until the way of a confirmed order is one trace: from the request through each message, its handler and its transaction, in whichever processes these are.
func (d *deployment) isOneTrace(r *otlptest.Receiver, orderID string) {
	d.t.Helper()
	var missing []string
	defer func() {
		if d.t.Failed() {
			d.t.Log("missing in the trace:", strings.Join(missing, "\n"))
		}
	}()
	r.WaitFor(d.t, "the trace of "+orderID, func() bool {
		missing = d.missing(way{r.Spans()}, orderID)
		return len(missing) == 0
	})
}

// missing says what the spans do not show of the order's way.
func (d *deployment) missing(spans way, orderID string) (missing []string) {
	post := spans.find("POST /v1/orders", d.service("orders"), "shop.order.id", orderID)
	if post == nil || post.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
		return []string{"the request"}
	}
	ours := way{slices.DeleteFunc(slices.Clone(spans.spans), func(s otlptest.Span) bool { return string(s.GetTraceId()) != string(post.GetTraceId()) })}
	no := func(format string, args ...any) { missing = append(missing, fmt.Sprintf(format, args...)) }
	for _, step := range steps {
		process := ours.message("process", step.message, d.service(step.to), orderID)
		send := ours.message("send", step.message, d.service(step.from), orderID)
		switch {
		case process == nil:
			no("%s does not process %s", step.to, step.message)
		case d.bus == "memory:" && send != nil:
			no("%s says that it sends %s to itself", step.from, step.message)
		case d.bus != "memory:" && send == nil:
			no("%s does not send %s", step.from, step.message)
		case d.bus != "memory:" && string(process.GetParentSpanId()) != string(send.GetSpanId()):
			no("%s processes %s, but not because %s sent it", step.to, step.message, step.from)
		case !spans.written(process, "transaction "+step.to):
			no("%s processes %s in no transaction", step.to, step.message)
		}
	}
	if charge := ours.find("charge", d.service("payments"), "shop.order.id", orderID); charge == nil {
		no("the provider is not asked")
	}
	if mail := ours.find("send mail", d.service("notifications"), "shop.order.id", orderID); mail == nil {
		no("the customer is not written to")
	}
	if d.process("catalog") != d.process("orders") && ours.find("GET /v1/products", d.service("catalog"), "", "") == nil {
		no("the catalog does not say the price")
	}
	for _, s := range ours.spans {
		if len(s.GetParentSpanId()) > 0 && !slices.ContainsFunc(ours.spans, func(p otlptest.Span) bool { return string(p.GetSpanId()) == string(s.GetParentSpanId()) }) {
			no("what led to %s", s.GetName())
		}
	}
	return missing
}

// service is the name of the process that hosts a context; see deploy.
func (d *deployment) service(context string) string {
	return "shop-" + strconv.Itoa(slices.Index(d.processes, d.process(context)))
}

// way is spans that belong together.
type way struct{ spans []otlptest.Span }

func (w way) find(name, service, attribute, value string) *otlptest.Span {
	for i := range w.spans {
		s := &w.spans[i]
		if s.GetName() == name && s.Service() == service && (attribute == "" || s.Attribute(attribute) == value) {
			return s
		}
	}
	return nil
}

func (w way) message(operation, message, service, orderID string) *otlptest.Span {
	for i := range w.spans {
		s := &w.spans[i]
		if s.Attribute("messaging.operation.name") == operation && s.Attribute("shop.message.type") == message && s.Service() == service && s.Attribute("shop.order.id") == orderID {
			return s
		}
	}
	return nil
}

// written reports whether the span has a transaction, of its own or one to which it is linked.
func (w way) written(by *otlptest.Span, name string) bool {
	return slices.ContainsFunc(w.spans, func(s otlptest.Span) bool {
		return s.GetName() == name && (string(s.GetParentSpanId()) == string(by.GetSpanId()) ||
			slices.ContainsFunc(by.GetLinks(), func(l *tracepb.Span_Link) bool { return string(l.GetSpanId()) == string(s.GetSpanId()) }))
	})
}

// An exporter whose collector is not there must not be felt, and what it would have taken is there when it comes back.
func TestACollectorThatIsAwayHindersNoOrder(t *testing.T) {
	s := newShop(t, "sqlite:"+t.TempDir(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+freeAddr(t), "OTEL_BSP_EXPORT_TIMEOUT=500", "OTEL_BSP_SCHEDULE_DELAY=50")
	p := s.serve()
	p.product("MUG", 1250, 10)
	o := p.as("ann").do("POST", "/v1/orders", own("pm_test_ok", "MUG", 2), "Idempotency-Key", "1", "Prefer", "wait=30")
	require.Equal(t, "confirmed", o.Body["status"], string(o.Raw))
	p.terminate()
}
