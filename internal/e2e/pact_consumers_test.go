//go:build pact

package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/pact-foundation/pact-go/v2/matchers"
	"github.com/stretchr/testify/require"

	"shop/internal/catalog/catalogapi"
	"shop/internal/customers/customersapi"
	"shop/internal/inventory/inventoryapi"
	"shop/internal/orders/ordersapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/shipping/shippingapi"
)

// What contexts ask each other at once, and what they make of the answers. Each question goes through the client that is used when the other is elsewhere; a stand-in answers what
// the contract says, and pact_providers_test.go holds the real program to that.

const (
	anOrder    = "ord_01jd3q6k9v8xw2n4t7ryz5abcd"
	noOrder    = "ord_00000000000000000000000000"
	confirmed  = "ann has a confirmed order of one TEA"
	delivered  = "ann has a delivered order of one TEA"
	teaInStock = "there is TEA in stock"
	ada        = "ada is a customer with an address"
)

var (
	then  = time.Date(2026, 11, 22, 12, 15, 0, 123456000, time.UTC)
	price = money.Money{Amount: 750, Currency: "EUR"}
	order = matchers.FromProviderState("${order_id}", anOrder)
)

// page is a list as the API answers it.
func page(items ...any) map[string]any {
	return map[string]any{"data": append([]any{}, items...), "has_more": false}
}

func TestPactOrdersAsksCatalogWhatThingsCost(t *testing.T) {
	p := newPact(t, "orders", "catalog")
	tea := catalogapi.Price{SKU: "TEA", Name: "Product TEA", Price: price, Active: true}
	p.question("TEA is sold", "the prices of a product that is sold and of one that nobody knows").
		get(matchers.S("/v1/products")).query("sku", matchers.S("NONE-SUCH"), matchers.S("TEA")).query("limit", matchers.S("100")).
		answers(http.StatusOK, page(like(t, tea, "sku", "active"))).
		when(func(ctx context.Context, a asker) {
			found, err := catalogapi.NewRemote(a).Prices(ctx, []string{"TEA", "NONE-SUCH"})
			require.NoError(t, err)
			require.Equal(t, map[string]catalogapi.Price{"TEA": tea}, found)
		})
	p.published()
}

func TestPactTheGatewayAsksForAnOrder(t *testing.T) {
	p := newPact(t, "gateway", "orders")
	o := ordersapi.Order{
		ID: anOrder, Status: "confirmed", Version: 5, Payment: "captured", Fulfillment: "preparing", PlacedAt: then, UpdatedAt: then, CustomerID: "ann",
		Lines: []ordersapi.Line{{SKU: "TEA", Name: "Product TEA", Quantity: 1, UnitPrice: price, Total: price}}, Total: price,
		Address:  ordersapi.Address{Name: "Ada Lovelace", Line1: "12 St James Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB"},
		Email:    "ann@example.org",
		Metadata: map[string]string{"basket": "7"},
	}
	p.question(confirmed, "an order, by its customer").as("ann").
		get(matchers.FromProviderState("/v1/orders/${order_id}", "/v1/orders/"+anOrder)).
		answers(http.StatusOK, like(t, o, "status", "payment_status", "customer_id", "sku", "quantity", "metadata")).
		when(func(ctx context.Context, a asker) {
			found, err := ordersapi.NewRemote(a).Order(ctx, anOrder)
			require.NoError(t, err)
			require.Equal(t, o, found)
		})
	p.question("", "an order that does not exist").as("operator").
		get(matchers.S("/v1/orders/"+noOrder)).
		answers(http.StatusNotFound, problem(http.StatusNotFound, "order_not_found")).
		when(func(ctx context.Context, a asker) {
			_, err := ordersapi.NewRemote(a).Order(ctx, noOrder)
			require.Equal(t, fault.NotFound, fault.KindOf(err))
		})
	p.question("", "an order, by nobody").
		get(matchers.S("/v1/orders/"+noOrder)).
		answers(http.StatusUnauthorized, problem(http.StatusUnauthorized, "unauthorized")).
		when(func(ctx context.Context, a asker) {
			_, err := ordersapi.NewRemote(a).Order(ctx, noOrder)
			require.Equal(t, fault.Unauthorized, fault.KindOf(err))
		})
	p.published()
}

func TestPactTheGatewayAsksForPayments(t *testing.T) {
	p := newPact(t, "gateway", "payments")
	paid := paymentsapi.Payment{
		ID: "pay_01jd3q6k9v8xw2n4t7ryz5abcd", Reference: anOrder, Status: "captured", Amount: price, Authorized: 750, Captured: 750, Method: "pm_test_ok", CreatedAt: then, UpdatedAt: then,
	}
	p.question(confirmed, "the payments of an order, by its customer").as("ann").
		get(matchers.S("/v1/payments")).query("order_id", order).
		answers(http.StatusOK, page(like(t, paid, "status", "captured", "refunded", "method"))).
		when(func(ctx context.Context, a asker) {
			found, err := paymentsapi.NewRemote(a).Payments(ctx, []string{anOrder})
			require.NoError(t, err)
			require.Equal(t, []paymentsapi.Payment{paid}, found)
		})
	p.question("", "the payments of an order that has none").as("operator").
		get(matchers.S("/v1/payments")).query("order_id", matchers.S(noOrder)).
		answers(http.StatusOK, page()).
		when(func(ctx context.Context, a asker) {
			found, err := paymentsapi.NewRemote(a).Payments(ctx, []string{noOrder})
			require.NoError(t, err)
			require.Empty(t, found)
		})
	p.published()
}

func TestPactTheGatewayAsksForShipments(t *testing.T) {
	p := newPact(t, "gateway", "shipping")
	parcel := shippingapi.Shipment{
		ID: "shp_01jd3q6k9v8xw2n4t7ryz5abcd", Reference: anOrder, Status: "delivered", Lines: []shippingapi.Line{{SKU: "TEA", Quantity: 1}},
		Address: shippingapi.Address{Name: "Ada Lovelace", Line1: "12 St James Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB"},
		Carrier: "post", TrackingNumber: "T1", CreatedAt: then, UpdatedAt: then, DispatchedAt: &then, DeliveredAt: &then,
	}
	p.question(delivered, "the shipments of an order, by its customer").as("ann").
		get(matchers.S("/v1/shipments")).query("order_id", order).
		answers(http.StatusOK, page(like(t, parcel, "status", "sku", "quantity", "carrier"))).
		when(func(ctx context.Context, a asker) {
			found, err := shippingapi.NewRemote(a).Shipments(ctx, []string{anOrder})
			require.NoError(t, err)
			require.Equal(t, []shippingapi.Shipment{parcel}, found)
		})
	p.question("", "the shipments of an order that has none").as("operator").
		get(matchers.S("/v1/shipments")).query("order_id", matchers.S(noOrder)).
		answers(http.StatusOK, page()).
		when(func(ctx context.Context, a asker) {
			found, err := shippingapi.NewRemote(a).Shipments(ctx, []string{noOrder})
			require.NoError(t, err)
			require.Empty(t, found)
		})
	p.published()
}

func TestPactTheGatewayAsksForStock(t *testing.T) {
	p := newPact(t, "gateway", "inventory")
	level := inventoryapi.Level{SKU: "TEA", OnHand: 1000, Reserved: 10, Available: 990}
	p.question(teaInStock, "the stock of a product and of one that nobody knows, by an operator").as("operator").
		get(matchers.S("/v1/inventory")).query("sku", matchers.S("NONE-SUCH"), matchers.S("TEA")).query("limit", matchers.S("100")).
		answers(http.StatusOK, page(like(t, level, "sku"))).
		when(func(ctx context.Context, a asker) {
			found, err := inventoryapi.NewRemote(a).Levels(ctx, []string{"TEA", "NONE-SUCH"})
			require.NoError(t, err)
			require.Equal(t, []inventoryapi.Level{level}, found)
		})
	p.question(teaInStock, "the stock of a product, by a customer").as("ann").
		get(matchers.S("/v1/inventory")).query("sku", matchers.S("TEA")).query("limit", matchers.S("100")).
		answers(http.StatusOK, page(map[string]any{"sku": "TEA", "available": matchers.Integer(990)})).
		when(func(ctx context.Context, a asker) {
			found, err := inventoryapi.NewRemote(a).Levels(ctx, []string{"TEA"})
			require.NoError(t, err)
			require.Equal(t, []inventoryapi.Level{{SKU: "TEA", Available: 990}}, found)
		})
	p.published()
}

func TestPactTheGatewayAsksForCustomers(t *testing.T) {
	p := newPact(t, "gateway", "customers")
	c := customersapi.Customer{
		ID: "ada", Name: "Ada Lovelace", Email: "ada@example.org", Phone: "+44 20 7946 0000", Version: 1, CreatedAt: then, UpdatedAt: then,
		Addresses: []customersapi.Address{{ID: "adr_01jd3q6k9v8xw2n4t7ryz5abcd", Name: "Ada Lovelace", Line1: "12 St James Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB", Default: true}},
	}
	p.question(ada, "a customer, by themselves").as("ada").
		get(matchers.S("/v1/customers/ada")).
		answers(http.StatusOK, like(t, c, "email", "country", "default")).
		when(func(ctx context.Context, a asker) {
			found, err := customersapi.NewRemote(a).Customers(ctx, []string{"ada"})
			require.NoError(t, err)
			require.Equal(t, []customersapi.Customer{c}, found)
		})
	for _, who := range []string{"operator", "ann"} {
		p.question(ada, "a customer that does not exist, by "+who).as(who).
			get(matchers.S("/v1/customers/nobody")).
			answers(http.StatusNotFound, problem(http.StatusNotFound, "customer_not_found")).
			when(func(ctx context.Context, a asker) {
				found, err := customersapi.NewRemote(a).Customers(ctx, []string{"nobody"})
				require.NoError(t, err)
				require.Empty(t, found)
			})
	}
	p.published()
}
