// Package telemetry leads from what the program did to the order it did it for: the trace that a request or message belongs to, the spans in it, and what a
// line of the log says of it.
//
// A trace is one order's way. Its context is the W3C traceparent (https://www.w3.org/TR/trace-context/) that requests and messages carry, and a ctx in the program.
// It is always there and leads the logs; spans are recorded only when tracing is on (see Use) and the trace was chosen at its beginning. Where it was not, Start
// returns ctx as it is, and nothing is allocated.
//
// The names of spans and of their attributes are in names.go: they follow OpenTelemetry's semantic conventions, https://opentelemetry.io/docs/specs/semconv/.
package telemetry
