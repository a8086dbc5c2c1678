package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"shop/internal/platform/telemetry"
)

func TestAResourceNamesTheServiceItsVersionAndTheProcess(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging,service.name=other")
	r, err := telemetry.Resource(t.Context(), "shop-front", "1.2.3")
	require.NoError(t, err)
	said := func(key attribute.Key) string {
		v, _ := r.Set().Value(key)
		return v.AsString()
	}
	require.Equal(t, "shop-front", said("service.name"))
	require.Equal(t, "1.2.3", said("service.version"))
	require.Equal(t, "staging", said("deployment.environment.name"))
	require.Len(t, said("service.instance.id"), 36)
	again, err := telemetry.Resource(t.Context(), "shop-front", "1.2.3")
	require.NoError(t, err)
	require.True(t, r.Equal(again), "traces and metrics come from the same process")
}
