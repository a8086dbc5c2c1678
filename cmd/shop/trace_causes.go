package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/recorder"
)

// elsewhere is the process that hosts what an order waits for, when that is another than that of the settings.
type elsewhere struct {
	Context  string `json:"context"`
	URL      string `json:"url"`
	Status   string `json:"status,omitempty"`   // ok, degraded, failing or stopping; empty when it does not answer
	Troubled string `json:"troubled,omitempty"` // the checks that fail
	Error    string `json:"error,omitempty"`    // why there is no answer
}

// elsewherePatience is how long another process may take to say how it is.
const elsewherePatience = 3 * time.Second

// findElsewhere asks the process that has to do the next step how it is.
func (f *orderTrace) findElsewhere(ctx context.Context, cfg config) {
	at := cfg.front.elsewhere[f.Order.Waits.On]
	if at == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, elsewherePatience)
	defer cancel()
	e := &elsewhere{Context: f.Order.Waits.On, URL: at.String()}
	switch r, _, err := askReadiness(ctx, e.URL); {
	case errors.Is(err, context.DeadlineExceeded):
		e.Error = "not within " + elsewherePatience.String()
	case err != nil:
		e.Error = plainly(err)
	default:
		e.Status, e.Troubled = r.Status, r.troubled()
	}
	f.Elsewhere = e
}

func (f *orderTrace) printElsewhere(w *waterfall) {
	e := f.Elsewhere
	switch {
	case e == nil:
		return
	case e.Error != "":
		w.alarm("%s is elsewhere, at %s, which does not answer: %s.", e.Context, e.URL, e.Error)
		w.next("shop serve --contexts "+e.Context, "there, with the settings of the process that ended: it goes on with what waits for it")
	case e.Troubled != "":
		w.alarm("%s is elsewhere, at %s, which is %s: %s.", e.Context, e.URL, e.Status, e.Troubled)
		w.next("shop doctor", "there, with its settings")
	default:
		w.linef("%s is elsewhere, at %s, which is well.", e.Context, e.URL)
		w.next("shop trace "+f.OrderID, "with the settings of that process too: whether it has the message, and what came of it")
	}
}

// lastFailure is the newest question to the payment provider that was recorded and failed; nil when none is.
func (f *orderTrace) lastFailure() *recorder.Span {
	var last *recorder.Span
	for i := range f.Traces {
		for j := range f.Traces[i].Spans {
			s := &f.Traces[i].Spans[j]
			if slices.Contains([]string{telemetry.SpanCharge, telemetry.SpanLookup, telemetry.SpanVoid, telemetry.SpanRefund}, s.Name) && s.Status == "error" && (last == nil || s.End.After(last.End)) {
				last = s
			}
		}
	}
	return last
}

// printLastFailure says how the provider failed the last time.
func (f *orderTrace) printLastFailure(w *waterfall, now time.Time) {
	s := f.lastFailure()
	if s == nil {
		return
	}
	n := node{Span: *s}
	why := n.said(telemetry.ErrorType)
	if why == "" {
		why = s.StatusText
	}
	w.alarm("The last attempt, %q, failed after %s, %s ago: %s.", s.Name, short(s.End.Sub(s.Start)), short(now.Sub(s.End)), why)
}

// post is the command with which an operator tells the API something.
func (f *orderTrace) post(path, body string) string {
	return fmt.Sprintf(`curl -X POST %s%s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '%s'`, f.api, path, body)
}
