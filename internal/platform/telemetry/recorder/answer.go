package recorder

import "time"

// Answer is what Handler answers. Its form is stable: fields are only added.
type Answer struct {
	Service  string  `json:"service"`            // service.name
	Instance string  `json:"instance,omitempty"` // service.instance.id
	Limits   Size    `json:"limits"`
	Held     Size    `json:"held"`
	Evicted  int64   `json:"evicted_traces"` // since the start
	Traces   []Trace `json:"traces"`
}

// Size is an amount of spans.
type Size struct {
	Spans int `json:"spans"`
	Bytes int `json:"bytes"`
}

// Trace is what was recorded of one trace in one process.
type Trace struct {
	TraceID    string    `json:"trace_id"`
	Name       string    `json:"name"` // of the span that began first
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	DurationNS int64     `json:"duration_ns"` // from the first span's start to the last span's end
	SpanCount  int       `json:"span_count"`
	ErrorCount int       `json:"error_count"`
	Slow       bool      `json:"slow"`
	Incomplete bool      `json:"incomplete"`         // some of its spans are gone
	Orders     []Order   `json:"orders,omitempty"`   // that it has to do with
	Spans      []Span    `json:"spans,omitempty"`    // not in a list; those that began first come first
	Linked     []Span    `json:"linked,omitempty"`   // shared transactions of other traces to which it has a link, with what is below them
	Instance   string    `json:"instance,omitempty"` // where it was recorded
}

// Order is an order that a trace has to do with.
type Order struct {
	ID  string `json:"id"`
	Way bool   `json:"way"` // the trace carries it on: its placing, or a message about it
}

// Span is one operation.
type Span struct {
	TraceID      string         `json:"trace_id"`
	SpanID       string         `json:"span_id"`
	ParentID     string         `json:"parent_id,omitempty"`
	ParentRemote bool           `json:"parent_remote,omitempty"` // it came with a request or a message
	Name         string         `json:"name"`
	Kind         string         `json:"kind"` // internal, server, client, producer or consumer
	Start        time.Time      `json:"start"`
	End          time.Time      `json:"end"`
	DurationNS   int64          `json:"duration_ns"`
	Status       string         `json:"status"` // unset, ok or error
	StatusText   string         `json:"status_text,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"`
	Links        []Link         `json:"links,omitempty"`
	Service      string         `json:"service"`
	Instance     string         `json:"instance,omitempty"`
}

// Link leads to a span of this or another trace.
type Link struct {
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id"`
}
