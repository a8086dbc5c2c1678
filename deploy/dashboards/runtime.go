package main

// ours keeps what other programs tell by the same names out of it.
const ours = ` and on (job, instance) shop_build_info{NS}`

var runtime = dashboard{uid: "shop-runtime", title: "Shop: processes", about: "The processes themselves: what they need of their machines, and Go's runtime.", rows: []row{
	{"Processes", []panel{
		{title: "Versions", unit: "short", about: "Processes, by the version that they run. Two versions for long are a deployment that got stuck.",
			queries: []query{{"{{version}} ({{go}})", `count by (version, go) (shop_build_info{NS})`}}, runbooks: []string{"ShopGone", "ShopProcessDown"}},
		{title: "Started", unit: "short", about: "Starts in half an hour.",
			queries: []query{{"{{instance}}", `changes(process_start_time_seconds{NS}[30m])` + ours}}, runbooks: []string{"ShopProcessRestarts"}},
		{title: "Processor", unit: "short", about: "Cores in use.",
			queries: []query{{"{{instance}}", `rate(process_cpu_seconds_total{NS}[$__rate_interval])` + ours}}},
		{title: "Memory", unit: "bytes", about: "Resident. deploy/ allows a process 512 MiB.",
			queries: []query{{"{{instance}}", `process_resident_memory_bytes{NS}` + ours}}, runbooks: []string{"ShopMemoryHigh"}},
		{title: "Lines of the log left out", unit: "short", about: "A minute, by level: of a message that came more often than SHOP_LOG_LIMIT allows. Each process says in its log which.",
			queries: []query{{"{{level}}", `sum by (level) (rate(shop_log_dropped_total{NS}[$__rate_interval])) * 60`}}},
		{title: "File descriptors", unit: "percentunit", about: "Of those that the process may open.",
			queries: []query{{"{{instance}}", `process_open_fds{NS} / process_max_fds{NS}` + ours}}, runbooks: []string{"ShopFileDescriptors"}},
	}},
	{"Go", []panel{
		{title: "Goroutines", unit: "short", about: "Things that are done, or waited for, at a time.",
			queries: []query{{"{{instance}}", `go_goroutines{NS}` + ours}}, runbooks: []string{"ShopGoroutines"}},
		{title: "Heap", unit: "bytes", about: "Allocated and in use.",
			queries: []query{{"{{instance}}", `go_memstats_heap_inuse_bytes{NS}` + ours}}, runbooks: []string{"ShopMemoryHigh"}},
		{title: "Pauses of the collector", unit: "s", about: "The longest of those that the runtime remembers.",
			queries: []query{{"{{instance}}", `go_gc_duration_seconds{quantile="1",NS}` + ours}}},
		{title: "Threads", unit: "short", about: "Of the operating system.",
			queries: []query{{"{{instance}}", `go_threads{NS}` + ours}}},
	}},
}}
