package main

import "time"

// What bounds the program today. They are constants or defaults of its code.
const (
	batchLimit     = 128                     // jobs that share a transaction (sqldb.Config.Batch)
	crowd          = 16                      // jobs whose transaction need not wait for a turn (sqldb/turns.go)
	turnLimit      = 20 * time.Millisecond   // how long a transaction counts as work (sqldb/turns.go)
	company        = 100 * time.Millisecond  // how long what follows the payment waits for others' transactions (inventory, shipping, orders)
	relayRows      = 64                      // parcels that a relay reads at once (bus/relay.go, relayBatch); here a message is one by itself
	relayUnderWay  = 2048                    // rows of one topic from reading to deleting (bus/relay.go, relayTopicCap)
	relayTidy      = 50 * time.Millisecond   // how long acknowledged rows wait for a transaction in which to be deleted (bus/relay.go)
	consumerWindow = 1024                    // messages that a consumer has taken and not acknowledged (bus/consumer.go)
	senderQueue    = 4096                    // payments that wait for a sender; more wait for the reconciler (payments.Needs.Queue)
	senderPatience = 3 * time.Second         // then a payment in the queue is left to the reconciler (payments.Needs.Deadline)
	senderLease    = 6 * time.Second         // how long the reconciler leaves a payment alone (twice the deadline)
	reconcilers    = 32                      // its calls at the same time, in the process that leads (payments.Needs.Resolve)
	outcomeLook    = 50 * time.Millisecond   // how often a waiting request looks for itself (orders/wait.go)
	longestBackoff = 1280 * time.Millisecond // pause of a consumer whose database does not answer (64 × bus.Config.Backoff)
	leaseFrozen    = 6 * time.Second         // until a frozen leader is succeeded (bus.Config.Lease)
	readConns      = 6                       // connections of a process to a database beside its lanes: readers, leadership, LISTEN
)
