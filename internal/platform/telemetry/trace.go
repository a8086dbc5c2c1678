// Package telemetry is what logs, messages and requests share to be found again: the trace they belong to.
package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"

	"go.uber.org/zap"
)

type traceKey struct{}

// WithTraceparent puts a W3C trace context (https://www.w3.org/TR/trace-context/) into ctx. One that is not well formed is replaced by a new one.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if !wellFormed(traceparent) {
		traceparent = NewTraceparent()
	}
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// Traceparent is the trace context that ctx carries, or "".
func Traceparent(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)
	return s
}

// TraceID is the trace id that ctx carries, 32 hex digits, or "".
func TraceID(ctx context.Context) string {
	if s := Traceparent(ctx); s != "" {
		return s[3:35]
	}
	return ""
}

// NewTraceparent begins a trace that is not sampled.
func NewTraceparent() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return "00-" + hex.EncodeToString(b[:16]) + "-" + hex.EncodeToString(b[16:]) + "-00"
}

func wellFormed(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' || strings.Trim(s[3:35], "0") == "" {
		return false
	}
	return strings.Trim(s, "0123456789abcdef-") == ""
}

// Fields are the log fields that lead from a line to its trace.
func Fields(ctx context.Context) zap.Field {
	if t := TraceID(ctx); t != "" {
		return zap.String("trace_id", t)
	}
	return zap.Skip()
}
