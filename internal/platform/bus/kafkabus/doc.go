// Package kafkabus carries messages over Apache Kafka 2.8 or newer, or what speaks its protocol.
//
//   - A topic of the bus is a topic of Kafka. It is created with 16 partitions if it is not there (?partitions= for another number), and a message goes to the partition that
//     its ce_subject hashes to. Metadata are headers.
//   - A message counts as published when all replicas in sync have it (acks=all); the producer is idempotent.
//   - A consumer group of the bus is a group of Kafka for each topic: "payments.shop.orders.events". Members of one group that subscribe to different topics would
//     stop all of them whenever one comes or goes. A new group begins at the oldest message.
//   - One message of a partition is under way at a time, in order; one that is refused comes again, to the same place, before the next. The offset of what was acknowledged is
//     committed within a second, so that after a crash some come twice, and the inbox forgets the copies.
package kafkabus
