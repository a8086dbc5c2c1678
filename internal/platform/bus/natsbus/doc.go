// Package natsbus carries messages over NATS JetStream 2.10 or newer. docs/adr/0012-nats-jetstream.md says why it is as it is.
//
//   - A topic is a stream of its own, "shop_orders_events" for shop.orders.events, which shop provisions: on disk, each message kept until every group has acknowledged it
//     (retention by interest), and full streams refuse what comes, so that it stays in the outbox. A message that is sent again within two minutes is stored once.
//     A stream that is there already is left as it is.
//   - A consumer group is a durable consumer of the stream, in generations: "payments-g7". A process that begins to consume, or is in doubt about what it was given, makes the
//     next generation, which starts after everything that was acknowledged without a gap, and deletes the one before. So what comes again comes in the order of the
//     stream, and whoever was given messages before and lives no more, or thinks that it leads, gets no others. The newest generation counts; a process that dies in between leaves two.
//   - One process of a group consumes at a time (bus.Exclusive). Copies of what was applied already are the inbox's concern.
//   - Metadata are headers; characters that a header cannot hold are percent-encoded, as CloudEvents does.
//
// JetStream counts a message as stored before it is safe from a power failure, unless the server is configured with "jetstream { sync_interval: always }".
package natsbus
