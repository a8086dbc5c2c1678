package catalogapi_test

import (
	"testing"

	"shop/internal/catalog/catalogapi"
	"shop/internal/platform/bus/bustest"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, catalogapi.ProductChanged{})
}
