package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"shop/internal/platform/telemetry/recorder"
)

const (
	recorderPatience = 5 * time.Second // an answer is made from memory
	recorderLimit    = 64 << 20        // bytes of one
)

// recorded is what the recorders of all processes said.
type recorded struct {
	traces   []recorder.Trace // each once, in the order of the first process that has them
	failures []string         // who did not answer, and why
	last     error            // of those
	none     bool             // nobody answered
}

// answered is the error of a question that nobody answered.
func (r recorded) answered() error {
	if r.none && r.last == nil {
		return &exitError{exitUsage, errors.New("--admin: the shop of these settings has no admin port")}
	}
	if r.none {
		return r.last
	}
	return nil
}

// askRecorders asks all processes at once, and puts together what belongs together.
func askRecorders(ctx context.Context, admin []string, query string) recorded {
	answers := make([]recorder.Answer, len(admin))
	errs := make([]error, len(admin))
	var all sync.WaitGroup
	for i, at := range admin {
		all.Go(func() { answers[i], errs[i] = askRecorder(ctx, at+"/traces?"+query) })
	}
	all.Wait()
	r := recorded{none: true}
	for i, a := range answers {
		if errs[i] != nil {
			r.last = errs[i]
			r.failures = append(r.failures, "the recorder of "+strings.TrimPrefix(admin[i], "http://")+" was not asked: "+errs[i].Error())
			continue
		}
		r.none = false
		for _, t := range a.Traces {
			r.add(t)
		}
	}
	for i := range r.traces {
		t := &r.traces[i]
		slices.SortStableFunc(t.Spans, func(a, b recorder.Span) int { return a.Start.Compare(b.Start) })
	}
	return r
}

// askRecorder asks one process. Errors: exitError with exitDependency, when it does not answer, or with exitFailed, when it records nothing.
func askRecorder(ctx context.Context, url string) (recorder.Answer, error) {
	var a recorder.Answer
	ctx, cancel := context.WithTimeout(ctx, recorderPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy of the environment
	answer, err := client.Do(r)
	if err != nil {
		return a, &exitError{exitDependency, err}
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	if answer.StatusCode == http.StatusNotFound {
		return a, &exitError{exitFailed, errors.New("it has none (SHOP_TRACE_SPANS)")}
	}
	dec := json.NewDecoder(io.LimitReader(answer.Body, recorderLimit))
	dec.UseNumber() // an attribute is shown as it was said
	if err := dec.Decode(&a); answer.StatusCode != http.StatusOK || err != nil {
		return a, &exitError{exitFailed, fmt.Errorf("it answers %s: that is no admin port of this version of shop", answer.Status)}
	}
	return a, nil
}

// add adds what one process recorded of a trace to what others did.
func (r *recorded) add(t recorder.Trace) {
	i := slices.IndexFunc(r.traces, func(other recorder.Trace) bool { return other.TraceID == t.TraceID })
	if i < 0 {
		r.traces = append(r.traces, t)
		return
	}
	into := &r.traces[i]
	if t.Start.Before(into.Start) {
		into.Start, into.Name = t.Start, t.Name
	}
	if t.End.After(into.End) {
		into.End = t.End
	}
	into.DurationNS = into.End.Sub(into.Start).Nanoseconds()
	into.Slow = into.Slow || t.Slow
	into.Incomplete = into.Incomplete || t.Incomplete
	into.Linked = joinSpans(into.Linked, t.Linked)
	if len(t.Spans) == 0 && len(into.Spans) == 0 { // of a list
		into.SpanCount += t.SpanCount
		into.ErrorCount += t.ErrorCount
	} else {
		into.Spans = joinSpans(into.Spans, t.Spans)
		into.SpanCount, into.ErrorCount = len(into.Spans), 0
		for _, s := range into.Spans {
			if s.Status == "error" {
				into.ErrorCount++
			}
		}
	}
	for _, o := range t.Orders {
		if known := slices.IndexFunc(into.Orders, func(k recorder.Order) bool { return k.ID == o.ID }); known < 0 {
			into.Orders = append(into.Orders, o)
		} else {
			into.Orders[known].Way = into.Orders[known].Way || o.Way
		}
	}
}

// joinSpans adds spans that are not there yet: a process may be named twice.
func joinSpans(list, more []recorder.Span) []recorder.Span {
	known := map[recorder.Link]bool{}
	for _, s := range list {
		known[recorder.Link{TraceID: s.TraceID, SpanID: s.SpanID}] = true
	}
	for _, s := range more {
		if l := (recorder.Link{TraceID: s.TraceID, SpanID: s.SpanID}); !known[l] {
			known[l] = true
			list = append(list, s)
		}
	}
	return list
}

// carries reports whether a trace carries an order on; others only look at it.
func carries(t recorder.Trace, orderID string) bool {
	return slices.ContainsFunc(t.Orders, func(o recorder.Order) bool { return o.ID == orderID && o.Way })
}

// isIncomplete reports whether something of a trace is missing: a recorder says so, or a span's parent is in none of them. A request may have been a part of its caller's trace.
func isIncomplete(t recorder.Trace) bool {
	known := map[string]bool{}
	for _, s := range t.Spans {
		known[s.SpanID] = true
	}
	return t.Incomplete || slices.ContainsFunc(t.Spans, func(s recorder.Span) bool { return lacksParent(s, known) })
}

func lacksParent(s recorder.Span, known map[string]bool) bool {
	return s.ParentID != "" && !known[s.ParentID] && (s.Kind != "server" || !s.ParentRemote)
}
