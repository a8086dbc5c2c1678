package main

var databases = dashboard{uid: "shop-databases", title: "Shop: databases", about: "Each context has its own; testpsp is that of the test provider's books.", rows: []row{
	{"Transactions", []panel{
		{title: "Median duration", unit: "s", about: "Of an attempt at a transaction, with its commit or rollback.",
			queries: []query{{"{{context}}", quantile("0.5", "shop_db_transaction_duration_seconds", "context", "")}}},
		{title: "p99 of the duration", unit: "s", about: "One in a hundred took longer.",
			queries: []query{{"{{context}}", quantile("0.99", "shop_db_transaction_duration_seconds", "context", "")}}, runbooks: []string{"ShopTransactionsSlow"}},
		{title: "Commits", unit: "ops", stacked: true, about: "Transactions that were committed.",
			queries: []query{{"{{context}}", `sum by (context) (rate(shop_db_commits_total{NS}[$__rate_interval]))`}}},
		{title: "Writes", unit: "ops", stacked: true, about: "Pieces of work that were to be written; those that wait at one time share a transaction.",
			queries: []query{{"{{context}}", `sum by (context) (rate(shop_db_jobs_total{NS}[$__rate_interval]))`}}},
		{title: "Writes a transaction", unit: "short", about: "How many share one, on average and in the greatest.",
			queries: []query{{"{{context}}", `sum by (context) (rate(shop_db_transaction_jobs_sum{NS}[$__rate_interval])) / sum by (context) (rate(shop_db_transaction_jobs_count{NS}[$__rate_interval]))`},
				{"{{context}} p99", quantile("0.99", "shop_db_transaction_jobs", "context", "")}}},
		{title: "Statements and round trips a transaction", unit: "short", about: "Round trips are counted on PostgreSQL only. One is what most take.",
			queries: []query{{"{{context}} statements", `sum by (context) (rate(shop_db_statements_total{NS}[$__rate_interval])) / sum by (context) (rate(shop_db_commits_total{NS}[$__rate_interval]))`},
				{"{{context}} round trips", `sum by (context) (rate(shop_db_round_trips_total{NS}[$__rate_interval])) / sum by (context) (rate(shop_db_commits_total{NS}[$__rate_interval]))`}}},
	}},
	{"What went wrong", []panel{
		{title: "Repeated", unit: "ops", about: "Transactions that were run again after a conflict or a lost connection.",
			queries: []query{{"{{context}}", `sum by (context) (rate(shop_db_retries_total{NS}[$__rate_interval]))`}}, runbooks: []string{"ShopDatabaseConflicts"}},
		{title: "Wrong assumptions, and writes alone", unit: "ops", about: "Transactions that assumed what was not so, and writes that were run again alone since one of their transaction failed. Both cost a round trip and nothing else.",
			queries: []query{{"{{context}} wrong", `sum by (context) (rate(shop_db_wrong_total{NS}[$__rate_interval]))`}, {"{{context}} alone", `sum by (context) (rate(shop_db_jobs_alone_total{NS}[$__rate_interval]))`}}},
		{title: "Commits without an answer", unit: "short", about: "In 15 minutes. They were found again by their keys: nothing is lost or doubled.",
			queries: []query{{"{{context}}", `sum by (context) (increase(shop_db_unknown_commits_total{NS}[15m]))`}}, runbooks: []string{"ShopCommitsUnknown", "ShopDatabaseSilent"}},
	}},
	{"Connections and reads", []panel{
		{title: "Connections in use", unit: "percentunit", about: "Of those that a pool may open, in the process where it is most.",
			queries:  []query{{"{{context}} {{db_client_connection_pool_name}}", `max by (context, db_client_connection_pool_name) (db_client_connection_count{db_client_connection_state="used",NS} / ignoring (db_client_connection_state) db_client_connection_max{NS})`}},
			runbooks: []string{"ShopDatabasePoolExhausted"}},
		{title: "Waiting for a connection", unit: "short", about: "How many wait on average. Above 1 the pool or the database is too slow.",
			queries:  []query{{"{{context}} {{db_client_connection_pool_name}}", `sum by (context, db_client_connection_pool_name) (rate(db_client_connection_wait_time_seconds_sum{NS}[$__rate_interval]))`}},
			runbooks: []string{"ShopDatabasePoolExhausted"}},
		{title: "Reads", unit: "ops", stacked: true, about: "Statements outside transactions.",
			queries: []query{{"{{context}}", `sum by (context) (rate(shop_db_reads_total{NS}[$__rate_interval]))`}}},
	}},
}}
