package telemetry

import (
	"context"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// instance names this process among those of the same service, until it ends.
var instance = uuid.NewString()

// Resource says who measures and records: service.name, service.version and service.instance.id, which is made anew with each start. What an operator says in
// OTEL_RESOURCE_ATTRIBUTES comes in addition, and wins except for the name. Errors: those attributes cannot be read; the resource is then without them.
func Resource(ctx context.Context, service, version string) (*resource.Resource, error) {
	own := []attribute.KeyValue{semconv.ServiceVersion(version), semconv.ServiceInstanceID(instance)}
	return resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(own...),
		resource.WithFromEnv(),
		resource.WithAttributes(semconv.ServiceName(service)))
}
