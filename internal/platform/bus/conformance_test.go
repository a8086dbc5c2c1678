package bus_test

import (
	"testing"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/bustest"
)

// inProcess is a transport that stays when one of those who use it leaves.
type inProcess struct{ *bus.Memory }

func (inProcess) Close() error { return nil }

func TestMemoryConforms(t *testing.T) {
	bustest.Conformance(t, func(t *testing.T) bustest.Broker {
		memory := bus.NewMemory()
		t.Cleanup(func() { _ = memory.Close() })
		return bustest.Broker{Open: func(testing.TB) bus.Transport { return inProcess{memory} }}
	})
}
