// Package recorder keeps the newest spans of this process in memory and shows them to whoever runs the shop, so that the way of an order can be seen without a tracing
// back end.
//
// A Recorder is a span processor: give it to the tracer provider, beside an exporter or alone. It is bounded by a number of spans and by their bytes. When it is full the
// trace that was quiet longest goes, as a whole. Traces with an error, and slow ones, are what one looks for later: they go last, but never fill more than half of the room.
// A trace is slow when a span of it took SlowAfter or more, or when so long passed between its first span's start and its last span's end, without pauses of a minute and more: an
// order's trace goes on when an operator or a carrier does something about it, hours or days later, and waiting for them makes no order slow.
//
// A span that comes after the rest of its trace went is shown in a trace that says it is incomplete.
//
// Handler answers GET with one JSON document, Answer: the list of traces, or with ?order= or ?trace= whole ones.
package recorder
