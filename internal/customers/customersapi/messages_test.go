package customersapi_test

import (
	"testing"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus/bustest"
)

func TestWhatCustomersTellsStaysAsItIs(t *testing.T) {
	const customer = "cus_01jd3q6k9v8xw2n4t7ryz5abcd"
	bustest.Golden(t, customersapi.Messages(),
		customersapi.CustomerRegistered{CustomerID: customer, Name: "Ada Lovelace", Email: "ada@example.org", Version: 1},
		customersapi.CustomerChanged{CustomerID: customer, Name: "Ada King", Email: "ada@example.org", Version: 2},
		customersapi.CustomerErased{CustomerID: customer, Version: 3},
	)
}
