// Command bench measures the shop from outside: it builds the program, starts it on SQLite and on a private PostgreSQL
// whose durability is at its defaults, and drives its REST API in a closed loop.
//
//	go run ./internal/bench -parts flow,anchors -reps 3 -secs 15 -clients 1,8,32,128 -out docs/performance
//	go run ./internal/bench render -out docs/performance -doc docs/performance.md
//	go run ./internal/bench duel -rounds 6 -clients 32,128 before=/tmp/old/shop after=bin/shop patient=bin/shop,GOGC=400
//
// The last one is for whoever changes the program: it compares versions or settings that are alive at the same time, a moment each, round by round.
//
// The parts, each a file:
//
//	flow      orders carried from POST to confirmed: rate, latency, and what one costs (CPU, WAL, syncs, statements)
//	anchors   beside it, what PostgreSQL alone can durably write for an order (pgbench), and the thinnest REST front on top
//	stored    the same flow with many orders stored already, against an empty shop
//	lines     orders of many lines against orders of two
//	reads     GET routes against a plain chi handler that answers the same bytes from memory
//	edge      the flow with and without limits and bound
//	split     the flow in one process, with payments in a process of its own, and with every context in its own, over NATS
//	tracing   the flow untraced, as installed, and with a tenth and all of its orders exported to a collector
//	start     time to /readyz, resident memory, and what an idle shop uses
//
// Absolute figures hold for one machine on one day; what counts are ratios of the same run. So the subjects take turns, all
// of them in every repetition, and a figure is the median of the repetitions with their least and greatest. A run during
// which others used the machine is repeated, and marked when that does not help.
//
// Each run is a line of JSON in results.jsonl. render makes tables and plots of the last run of each part.
package main
