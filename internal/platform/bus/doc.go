// Package bus carries messages between contexts: effectively once, in order per key, without a transaction that spans two databases.
//
//   - A Body is a command or an event, a struct in the language (*api package) of the context that owns it.
//   - An Endpoint is one context's place on the bus. Its Publish writes into the outbox, in the caller's transaction; its
//     relay hands committed rows to the Transport and deletes those that arrived. Its handlers, registered with On, each run in one
//     transaction together with the message's inbox row.
//   - A Transport is a pair of Watermill interfaces. Memory is the one within a process; natsbus, kafkabus and amqpbus reach others over a broker. All pass
//     bustest.Conformance.
//   - A Pipeline keeps the order of each key on the way to a broker. From one that cannot keep it among several consumers of a group (Exclusive) the process receives that leads
//     the context.
//
// A handler that fails is tried again with growing pauses while later messages of its key wait. After the last attempt the message goes to
// dead_letters and what follows with its key parks behind it, until an operator replays or discards it. A database that does not answer is waited for and never
// makes a dead letter.
package bus
