package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"shop/internal/orders"
	"shop/internal/platform/telemetry/recorder"
)

// print shows the order: where it is and what it waits for, its traces, and, with history, its events.
func (f *orderTrace) print(w *waterfall, history bool, now time.Time) {
	if f.Order != nil {
		f.printState(w, now)
		w.linef("")
	}
	var others []recorder.Trace
	for _, t := range f.Traces {
		if !carries(t, f.OrderID) {
			others = append(others, t)
			continue
		}
		w.draw(t)
		w.linef("")
	}
	if history && f.Order != nil {
		printHistory(w, f.Order.Events)
		w.linef("")
	}
	f.printOthers(w, others)
}

// printState says where the order is, and what has to happen next.
func (f *orderTrace) printState(w *waterfall, now time.Time) {
	o := f.Order
	w.linef("%s", w.style.paint("1", fmt.Sprintf("%s is %s; its process is %s.", o.OrderID, o.Status, o.Saga)))
	if o.Waits != nil {
		f.printWait(w, *o.Waits, now)
	}
	fresh := 0
	for _, m := range f.Messages {
		if f.moves(m, now) {
			fresh++
			continue
		}
		f.printMessage(w, m, now)
	}
	if fresh > 0 {
		w.linef("%s just written, and on its way.", count(fresh, "message"))
	}
	for _, name := range f.Unled {
		w.alarm("No process leads %s: nobody sends its messages or does what is due. Start one that hosts it.", name)
	}
	switch {
	case len(f.Unled) > 0:
		w.next("shop serve", "with the settings of the process that ended")
		w.next("shop doctor", "if it runs: whether it answers")
	case f.waitsInOutbox(now):
		w.next("shop doctor", "why nobody takes it: whether the broker answers, and whoever receives it")
	}
	f.printElsewhere(w)
	if f.noReason() {
		w.linef("No message of it is in an outbox or a dead letter that could be looked at: it is with the broker, or being worked on.")
		w.next("shop doctor", "whether the broker answers, and what it has to do with")
	}
}

// freshFor is how long a message may lie in an outbox that somebody empties, without a word about it: rows are deleted a little after their messages were applied.
const freshFor = 2 * time.Second

// moves reports whether a message lies where it lies only because it was written a moment ago.
func (f *orderTrace) moves(m heldMessage, now time.Time) bool {
	return m.Where == "outbox" && now.Sub(m.Since) < freshFor && !slices.Contains(f.Unled, m.Context)
}

// waitsInOutbox reports whether a message lies in an outbox for longer than it should.
func (f *orderTrace) waitsInOutbox(now time.Time) bool {
	return slices.ContainsFunc(f.Messages, func(m heldMessage) bool { return m.Where == "outbox" && !f.moves(m, now) })
}

// noReason reports whether the order waits for a context and nothing says why.
func (f *orderTrace) noReason() bool {
	return f.Order.Waits != nil && slices.Contains(contextNames(), f.Order.Waits.On) && len(f.Messages) == 0 && len(f.Unled) == 0 && f.Elsewhere == nil && (f.Payment == nil || f.Payment.NextAttempt == nil)
}

func (f *orderTrace) printWait(w *waterfall, wait orders.Wait, now time.Time) {
	since := fmt.Sprintf("since %s, for %s", wait.Since.Format(time.RFC3339), short(now.Sub(wait.Since)))
	switch {
	case wait.On == "operator" && wait.Compensation:
		w.alarm("%s could not be taken back (%s); an operator has to decide, %s.", wait.Step, wait.Error, since)
		w.next(f.post("/v1/orders/"+f.OrderID+"/saga/retry", `{"note":"why"}`), "or skip, or force: docs/how-to/end-a-stuck-compensation.md")
		return
	case wait.Step == "dispatch":
		w.linef("Its process has done its part: it waits to be dispatched, %s.", since)
		w.next(f.post("/v1/shipments/"+wait.ShipmentID+"/dispatch", `{"carrier":"NAME","tracking_number":"NUMBER"}`), "when the carrier has it")
		return
	case wait.Step == "delivery":
		w.linef("It is on its way to the customer, %s.", since)
		w.next(f.post("/v1/shipments/"+wait.ShipmentID+"/deliver", "{}"), "when the customer has it")
		return
	}
	what := wait.Step
	if wait.Compensation {
		what += " to be taken back"
	}
	line := fmt.Sprintf("It waits for %s, by %s, %s", what, wait.On, since)
	if wait.Attempts > 1 {
		line += fmt.Sprintf(", asked for %d times", wait.Attempts)
	}
	if wait.Deadline != nil {
		line += "; " + deadlineText(wait, now)
	}
	w.linef("%s.", line)
	f.printPayment(w, now)
}

// deadlineText says what the process does by itself, and when.
func deadlineText(wait orders.Wait, now time.Time) string {
	does := "it is asked for again"
	if !wait.Compensation && wait.Step != "create_shipment" {
		does = "the order is cancelled"
	}
	if left := wait.Deadline.Sub(now); left > 0 {
		return fmt.Sprintf("%s in %s, at %s", does, short(left), wait.Deadline.Format(time.RFC3339))
	}
	return fmt.Sprintf("its deadline passed %s ago, and then %s", short(now.Sub(*wait.Deadline)), does)
}

// printPayment says how the payment provider does.
func (f *orderTrace) printPayment(w *waterfall, now time.Time) {
	p := f.Payment
	switch {
	case p == nil:
		return
	case p.Refund != nil:
		w.alarm("Its refund %s is not confirmed by the payment provider: asked %s, %s.", p.Refund.RefundID, times(p.Refund.Attempts), again(p.Refund.NextAttempt, now))
	case p.NextAttempt != nil && (p.Status == "unknown" || p.Attempts > 0):
		w.alarm("The payment provider does not say what became of %s (%s): asked again %s, %s.", p.PaymentID, p.Status, times(p.Attempts), again(p.NextAttempt, now))
	case p.NextAttempt != nil:
		w.linef("Its payment %s is %s: the provider is being asked.", p.PaymentID, p.Status)
		return
	default:
		w.linef("Its payment %s is %s.", p.PaymentID, p.Status)
		return
	}
	f.printLastFailure(w, now)
	w.linef("  It goes on by itself once the provider answers. What it said is in the log of payments: \"the provider did not answer\", with this order_id.")
	w.next("shop doctor", "for how many payments that is so, and since when; then the provider's own status page")
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// again says when somebody is asked the next time.
func again(at *time.Time, now time.Time) string {
	if at == nil {
		return "and not asked again"
	}
	if left := at.Sub(now); left > 0 {
		return "next in " + short(left)
	}
	return "due for " + short(now.Sub(*at))
}

// printMessage says where a message lies, and what to do about it.
func (f *orderTrace) printMessage(w *waterfall, m heldMessage, now time.Time) {
	if m.Where == "outbox" {
		w.alarm("%s waits in the outbox of %s, for %s (message %s).", m.Type, m.Context, short(now.Sub(m.Since)), m.MessageID)
		return
	}
	switch m.State {
	case "parked":
		w.alarm("%s is parked behind the dead letter, as %s, for %s.", m.Type, m.Ref, short(now.Sub(m.Since)))
	case "replay":
		w.linef("%s, the dead letter %s, is being applied again.", m.Type, m.Ref)
	default:
		w.alarm("%s is the dead letter %s of %s: %s could not apply it in %s, %s ago: %s", m.Type, m.Ref, m.Context, m.Context, count(int(m.Attempts), "attempt"), short(now.Sub(m.Since)), m.Error)
		w.next("shop deadletters show "+m.Ref, "why")
		w.next("shop deadletters replay "+m.Ref, "when the cause is mended")
	}
}

// alarm is a line about something that keeps the order from going on.
func (w *waterfall) alarm(format string, args ...any) {
	w.linef("%s", w.style.paint("31", fmt.Sprintf(format, args...)))
}

// next is what to type next.
func (w *waterfall) next(command, meaning string) {
	w.linef("  next: %s   %s", w.style.paint("36", command), w.style.paint("2", "# "+meaning))
}

// printHistory shows the events of an order, with what led to each.
func printHistory(w *waterfall, events []orders.TracedEvent) {
	rows := make([][]string, len(events))
	for i, e := range events {
		after := "-"
		if i > 0 {
			after = short(e.At.Sub(events[i-1].At))
		}
		rows[i] = []string{strconv.FormatInt(e.Version, 10), e.At.Format("2006-01-02T15:04:05.000000Z"), after, e.Type, orDash(e.TraceID), orDash(e.Cause)}
	}
	w.table([]string{"#", "AT", "AFTER", "EVENT", "TRACE", "MESSAGE"}, rows)
	if longest := longestStep(events); longest > 0 {
		w.linef("%s %s between %s and %s", w.style.paint("1", "Longest pause:"), short(events[longest].At.Sub(events[longest-1].At)), events[longest-1].Type, events[longest].Type)
	}
}

// longestStep is the place of the event before which most time passed; 0 when there is but one.
func longestStep(events []orders.TracedEvent) int {
	at := 0
	for i := 1; i < len(events); i++ {
		if at == 0 || events[i].At.Sub(events[i-1].At) > events[at].At.Sub(events[at-1].At) {
			at = i
		}
	}
	return at
}

// mostOthers is how many traces are named that only look at the order.
const mostOthers = 10

// printOthers names the traces that do not carry the order on.
func (f *orderTrace) printOthers(w *waterfall, others []recorder.Trace) {
	if len(others) == 0 {
		return
	}
	w.linef("What else has to do with it, such as reads:")
	for _, t := range others[:min(len(others), mostOthers)] {
		failed := ""
		if t.ErrorCount > 0 {
			failed = "  " + w.style.paint("31", "FAILED")
		}
		w.linef("  shop trace %s   %s  %s  %s%s", t.TraceID, t.Start.Format(time.RFC3339), short(time.Duration(t.DurationNS)), t.Name, failed)
	}
}
