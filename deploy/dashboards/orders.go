package main

var orders = dashboard{uid: "shop-orders", title: "Shop: the process of orders", about: "How far orders are, step by step, and what holds them up.", rows: []row{
	{"Under way", []panel{
		{title: "Waiting, by step", unit: "short", stacked: true, about: "Orders whose process waits for an answer, by the step that was asked for; compensation is that of orders whose steps are taken back.",
			queries: []query{{"{{step}}", `max by (step) (shop_saga_running{NS})`}}, runbooks: []string{"ShopOrdersWaiting"}},
		{title: "The oldest, by step", unit: "s", about: "Time since the oldest order that waits at a step was placed. Deadlines are 2 minutes for stock, 10 for the payment, 2 for the shipment.",
			queries: []query{{"{{step}}", `max by (step) (shop_saga_oldest_age_seconds{NS})`}}, runbooks: []string{"ShopOrdersWaiting"}},
		{title: "Stuck, by reason", unit: "short", about: "deadline: one passed over a minute ago, and nobody did anything about it. compensation_failed: an operator must decide. Should be 0.",
			queries: []query{{"{{reason}}", `max by (reason) (shop_saga_stuck{NS})`}}, runbooks: []string{"ShopOrdersStuck", "ShopCompensationFailed"}},
	}},
	{"Steps", []panel{
		{title: "Median duration", unit: "s", about: "From when a step was asked for until it was answered, by yes or no.",
			queries: []query{{"{{step}}", quantile("0.5", "shop_saga_step_duration_seconds", "step", "")}}},
		{title: "p99 of the duration", unit: "s", about: "One step in a hundred took longer.",
			queries: []query{{"{{step}}", quantile("0.99", "shop_saga_step_duration_seconds", "step", "")}}, runbooks: []string{"ShopMessagesLate"}},
		{title: "Answers", unit: "ops", about: "Steps that were answered, a second.",
			queries: []query{{"{{step}}", `sum by (step) (rate(shop_saga_step_duration_seconds_count{NS}[$__rate_interval]))`}}},
		{title: "Taken back", unit: "ops", stacked: true, about: "Steps that were taken back, because the order failed or was cancelled.",
			queries: []query{{"{{step}}", `sum by (step) (rate(shop_saga_compensated_total{NS}[$__rate_interval]))`}}},
		{title: "Asked for again", unit: "ops", about: "Steps that were asked for again, since a deadline passed or an operator wanted it.",
			queries: []query{{"{{step}}, by {{by}}", `sum by (step, by) (rate(shop_saga_retries_total{NS}[$__rate_interval]))`}}, runbooks: []string{"ShopOrdersStuck"}},
	}},
	{"Payments and mails", []panel{
		{title: "Payments without an answer", unit: "short", about: "The provider did not say what became of them. They are never taken for declined; the shop asks until it knows.",
			queries: []query{{"unknown", `max(shop_payments_unknown{NS})`}}, runbooks: []string{"ShopPaymentsUnknown"}},
		{title: "Mails that are not sent", unit: "short", about: "Mails to customers: pending wait for their turn, failed were given up; of unknown ones the mail server did not say whether it took them.",
			queries: []query{{"{{state}}", `max by (state) (shop_mails{NS})`}}, runbooks: []string{"ShopMailsFailing", "ShopMailsWaiting"}},
		{title: "Details that did not come", unit: "ops", about: "Parts of orders' details that another context did not give in time; the answer says so.",
			queries: []query{{"{{part}}", `sum by (part) (rate(shop_order_details_unavailable_total{NS}[$__rate_interval]))`}}},
	}},
}}
