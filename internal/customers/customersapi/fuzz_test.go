package customersapi_test

import (
	"testing"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus/bustest"
)

func FuzzMessages(f *testing.F) {
	bustest.Fuzz(f, customersapi.CustomerChanged{}, customersapi.CustomerErased{}, customersapi.CustomerRegistered{})
}
