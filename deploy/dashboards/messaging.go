package main

var messaging = dashboard{uid: "shop-messaging", title: "Shop: messages", about: "From the outbox over the transport to whoever applies them.", rows: []row{
	{"Outbox", []panel{
		{title: "Waiting to be delivered", unit: "short", about: "Messages in the outbox of a context. Some are always on their way; it grows when the relay or the broker is away.",
			queries: []query{{"{{context}}", `max by (context) (shop_outbox_pending{NS})`}}, runbooks: []string{"ShopOutboxWaiting"}},
		{title: "Age of the oldest", unit: "s", about: "Of the messages that were not delivered yet. At five minutes the context's processes count as not ready.",
			queries: []query{{"{{context}}", `max by (context) (shop_outbox_oldest_age_seconds{NS})`}}, runbooks: []string{"ShopOutboxWaiting"}},
		{title: "Relays", unit: "short", about: "Processes that relay the messages of a context. Should be 1 each.",
			queries: []query{{"{{context}}", `sum by (context) (shop_relay_leading{NS})`}}, runbooks: []string{"ShopNobodyRelays"}},
		{title: "Sent", unit: "ops", stacked: true, about: "Messages that the transport took, by their topic.",
			queries: []query{{"{{messaging_destination_name}}", `sum by (messaging_destination_name) (rate(messaging_client_sent_messages_total{error_type="",NS}[$__rate_interval]))`}}},
		{title: "Not taken", unit: "ops", about: "Messages that the transport refused; they stay in the outbox and are sent again.",
			queries: []query{{"{{context}}, {{messaging_system}}", `sum by (context, messaging_system) (rate(messaging_client_sent_messages_total{error_type="refused",NS}[$__rate_interval]))`}}, runbooks: []string{"ShopBrokerRefuses"}},
		{title: "Dead letters", unit: "short", about: "dead: could not be applied. parked: of the same order, wait behind one. replay: are being applied again.",
			queries: []query{{"{{context}}, {{state}}", `max by (context, state) (shop_dead_letters{NS})`}}, runbooks: []string{"ShopDeadLetters"}},
	}},
	{"Applied", []panel{
		{title: "Applied", unit: "ops", stacked: true, about: "Messages that were applied, by the context that did.",
			queries: []query{{"{{messaging_consumer_group_name}}", `sum by (messaging_consumer_group_name) (rate(messaging_process_duration_seconds_count{error_type="",NS}[$__rate_interval]))`}}},
		{title: "Failed attempts", unit: "ops", about: "By the context and the kind of error. unavailable: a database or another process is away; such attempts are not counted against the message.",
			queries:  []query{{"{{messaging_consumer_group_name}}, {{error_type}}", `sum by (messaging_consumer_group_name, error_type) (rate(messaging_process_duration_seconds_count{error_type!="",NS}[$__rate_interval]))`}},
			runbooks: []string{"ShopMessagesFailing"}},
		{title: "p99 of an attempt", unit: "s", about: "Until its transaction is durable.",
			queries: []query{{"{{messaging_consumer_group_name}}", quantile("0.99", "messaging_process_duration_seconds", "messaging_consumer_group_name", "")}}},
		{title: "Median lag", unit: "s", about: "From when a message was written until it was applied.",
			queries: []query{{"{{messaging_consumer_group_name}}", quantile("0.5", "shop_message_lag_seconds", "messaging_consumer_group_name", "")}}},
		{title: "p99 of the lag", unit: "s", about: "One message in a hundred took longer.",
			queries: []query{{"{{messaging_consumer_group_name}}", quantile("0.99", "shop_message_lag_seconds", "messaging_consumer_group_name", "")}}, runbooks: []string{"ShopMessagesLate"}},
		{title: "In flight and repeated", unit: "short", about: "In flight: received and not acknowledged. Repeated: attempts a minute after which the message is tried again.",
			queries: []query{{"{{context}} in flight", `sum by (context) (shop_messages_in_flight{NS})`}, {"{{context}} repeated", `60 * sum by (context) (rate(shop_messages_retries_total{NS}[$__rate_interval]))`}}, runbooks: []string{"ShopMessagesFailing"}},
	}},
}}
