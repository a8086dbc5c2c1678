package telemetry

import (
	"context"

	"go.uber.org/zap"
)

// FieldsOf is Fields of a line about an order, or about what another key names, where ctx does not say so: of what a timer found, of what a loop does for many.
func FieldsOf(ctx context.Context, key string) zap.Field {
	message := ""
	if known := SubjectOf(ctx); known != nil {
		message = known.MessageID
	}
	s := SubjectOfMessage(message, key)
	return Fields(WithSubject(ctx, &s))
}

// InContext says which bounded context writes the lines of a logger.
func InContext(name string) zap.Field { return zap.String("context", name) }
