// Command simulate says what a topology of shop carries before anybody builds it. It is a discrete-event model of the way of an
// order, fed with the measured costs of its steps:
//
//	go run ./internal/simulate                        runs every study and writes their tables into docs/scale.md
//	go run ./internal/simulate -study failure,hot     some of them, to standard output
//	go run ./internal/simulate -topology FILE -rate 1000    one topology, described in JSON as in topology.go
//
// What is modelled, each a file: time and chance (clock.go, chance.go), cores (station.go), the write-ahead log and its group commit
// (wal.go), row locks (locks.go), a lane that lets what waits share a transaction (lane.go), the outbox's relay (relay.go), transports and
// consumers (transport.go), calls to the payment provider (senders.go), the way of an order over all these (way.go), and who offers the load
// (load.go). The constants of the program that bound it stand in limits.go, with the place they come from.
//
// What is not modelled: transactions that run again, messages of one key that wait for each other, vacuum and checkpoints, caches that are cold,
// and anything that only a real disk, kernel or network does. The table "validation" says how far the model is from what was measured.
package main
