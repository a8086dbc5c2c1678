// Package recorder keeps the newest spans of this process in memory and shows them to whoever runs the shop, so that the way of an order can be seen without a tracing
// back end.
//
// A Recorder is a span processor: give it to the tracer provider, beside an exporter or alone. It is bounded by a number of spans and by their bytes. When it is full the
// trace that was quiet longest goes, as a whole. Traces with an error, and slow ones, are what one looks for later: they go last, but never fill more than half of the room.
// A trace is slow when SlowAfter or more passed between its first span's start and its last span's end; pauses count, since a pause is what a waiting order looks like. What an
// operator or a carrier does to an order later begins with a request of theirs, which is a trace of its own, so that waiting for them makes no trace slow.
//
// A span that comes after the rest of its trace went is shown in a trace that says it is incomplete.
//
// Handler answers GET with one JSON document, Answer: the list of traces, or with ?order= or ?trace= whole ones.
package recorder
