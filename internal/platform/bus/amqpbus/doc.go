// Package amqpbus carries messages over RabbitMQ 3.10 or newer, or what speaks AMQP 0.9.1 and has single active consumers.
//
//   - A topic of the bus is a durable direct exchange, and a consumer group has 8 durable queues on it, its partitions (?partitions= for another number): "shop.orders.events.3_payments".
//     A message goes to the partition that its ce_subject hashes to, of every group. Metadata are headers.
//   - A message counts as published when the broker has confirmed that it is on disk in every queue. A command that finds no queue is refused.
//   - A partition has a single active consumer. Of each key one message is under way; of different keys, up to 64 a partition. One that is refused comes again before the next of
//     its key, without going back to the broker, where others would overtake it.
//   - Connections are made again when they are gone, and what was declared is declared again.
//
// It stands on RabbitMQ's own client and offers Watermill's interfaces. Watermill's adapter would be there (watermill-amqp 3.0.2), but it can lose channels of its pool with
// each lost connection, until publishing stands still; it reads and replaces its connection without a lock; and it takes one message of a queue at a time.
package amqpbus
