package main

var overview = dashboard{uid: "shop-overview", title: "Shop", about: "What customers and the business notice. Look here first.", rows: []row{
	{"Now", []panel{
		{title: "Orders a minute", kind: "stat", unit: "short", about: "Orders placed in the last minute.",
			queries: []query{{"", `60 * sum(rate(shop_orders_placed_total{NS}[5m]))`}}},
		{title: "Come to an end", kind: "stat", unit: "percentunit", about: "Confirmed and cancelled orders of 15 minutes over those placed. 100% when nothing is held up; above it while a backlog is worked off.",
			queries:  []query{{"", `sum(increase(shop_orders_confirmed_total{NS}[15m]) or increase(shop_orders_cancelled_total{NS}[15m])) / sum(increase(shop_orders_placed_total{NS}[15m]))`}},
			runbooks: []string{"ShopOrdersNotConfirming"}},
		{title: "Orders under way", kind: "stat", unit: "short", about: "Orders whose process waits for an answer.",
			queries: []query{{"", `sum(max by (step) (shop_saga_running{NS}))`}}},
		{title: "Stuck", kind: "stat", unit: "short", about: "Orders that do not go on by themselves. Should be 0.",
			queries:  []query{{"", `sum(max by (reason) (shop_saga_stuck{NS}))`}},
			runbooks: []string{"ShopOrdersStuck", "ShopCompensationFailed"}},
		{title: "Dead letters", kind: "stat", unit: "short", about: "Messages that could not be applied. Should be 0.",
			queries:  []query{{"", `sum(max by (context) (shop_dead_letters{state="dead",NS}))`}},
			runbooks: []string{"ShopDeadLetters"}},
		{title: "Alerts", kind: "stat", unit: "short", about: "Alerts that fire.",
			queries: []query{{"", `count(ALERTS{alertname=~"Shop.*",alertstate="firing",NS}) or vector(0)`}}},
	}},
	{"Orders", []panel{
		{title: "Orders", unit: "ops", about: "Orders placed, confirmed and cancelled, a second. Confirmed and cancelled together follow placed within seconds.",
			queries: []query{
				{"placed", `sum(rate(shop_orders_placed_total{NS}[$__rate_interval]))`},
				{"confirmed", `sum(rate(shop_orders_confirmed_total{NS}[$__rate_interval]))`},
				{"cancelled", `sum(rate(shop_orders_cancelled_total{NS}[$__rate_interval]))`}},
			runbooks: []string{"ShopOrdersNotConfirming"}},
		{title: "Cancelled, by reason", unit: "ops", stacked: true, about: "timed_out and failed are our fault; out_of_stock, payment_declined and customer_request are not.",
			queries:  []query{{"{{reason}}", `sum by (reason) (rate(shop_orders_cancelled_total{NS}[$__rate_interval]))`}},
			runbooks: []string{"ShopOrdersGivenUp", "ShopPaymentsDeclined"}},
		{title: "Refused for want of stock", unit: "ops", about: "Reservations that were refused because stock was short.",
			queries: []query{{"refused", `sum(rate(shop_inventory_stock_outs_total{NS}[$__rate_interval]))`}}, runbooks: []string{"ShopStockOuts"}},
	}},
	{"Placing an order", []panel{
		{title: "Failing", unit: "percentunit", about: "The share of POST /v1/orders answered with 5xx. The objective is 0.1% in 30 days.",
			queries: []query{{"5xx", `sum(rate(http_server_request_duration_seconds_count{http_request_method="POST",http_route="/v1/orders",http_response_status_code=~"5..",NS}[$__rate_interval])) / ` +
				`sum(rate(http_server_request_duration_seconds_count{http_request_method="POST",http_route="/v1/orders",NS}[$__rate_interval]))`}},
			runbooks: []string{"ShopOrdersFailing", "ShopOrdersFailingForDays"}},
		{title: "Duration", unit: "s", about: "How long POST /v1/orders takes, with the time that a client asked to wait for the outcome (Prefer: wait). The objective is that 99% take less than a second.",
			queries: []query{{"p50", quantile("0.5", "http_server_request_duration_seconds", "", `http_request_method="POST",http_route="/v1/orders"`)},
				{"p99", quantile("0.99", "http_server_request_duration_seconds", "", `http_request_method="POST",http_route="/v1/orders"`)}},
			runbooks: []string{"ShopOrdersSlow", "ShopOrdersSlowForDays"}},
		{title: "Answers", unit: "reqps", stacked: true, about: "What POST /v1/orders is answered with.",
			queries: []query{{"{{http_response_status_code}}", `sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{http_request_method="POST",http_route="/v1/orders",NS}[$__rate_interval]))`}}},
	}},
	{"Money", []panel{
		{title: "Captured", unit: "short", about: "What was captured for orders in an hour, in minor units (cents), by currency.",
			queries: []query{{"{{currency}}", `sum by (currency) (increase(shop_orders_revenue_total{NS}[1h]))`}}},
		{title: "Given back", unit: "short", about: "What went back to customers in an hour, in minor units (cents), by currency.",
			queries: []query{{"{{currency}}", `sum by (currency) (increase(shop_orders_refunded_total{NS}[1h]))`}}},
		{title: "Payments without an answer", unit: "short", about: "Payments of which the provider did not say what became of them; the shop goes on asking.",
			queries: []query{{"unknown", `max(shop_payments_unknown{NS})`}}, runbooks: []string{"ShopPaymentsUnknown"}},
	}},
}}

// quantile is that of a histogram over the time of a panel, for each value of a label, or over all.
func quantile(q, metric, by, conditions string) string {
	if conditions != "" {
		conditions += ","
	}
	if by != "" {
		by += ", "
	}
	return "histogram_quantile(" + q + ", sum by (" + by + "le) (rate(" + metric + "_bucket{" + conditions + "NS}[$__rate_interval])))"
}
