package main

import "time"

// broker is a transport between processes: each topic has partitions, each with a leader that takes one message after the other. A
// message's key decides its partition, so messages of one key stay in order.
type broker struct {
	sim   *simulation
	world *world
	costs *costs
	ack   func() time.Duration

	partitions [contextCount][contextCount][]*station // of the topic from one context to another
}

// send publishes: ack is called when the message is durable, and some time later the partition's consumer gets it.
func (b *broker) send(msg message, ack func()) {
	s := steps[msg.step]
	partitions := b.partitions[s.from][s.context]
	p := msg.key % uint64(len(partitions))
	partitions[p].serve(b.costs.Broker.Message.duration(), func() {
		b.sim.after(b.ack(), func() {
			ack()
			b.sim.after(b.costs.Broker.Delivery.duration(), func() {
				shards := b.world.shards[s.context]
				members := shards[p%uint64(len(shards))].members
				members[p/uint64(len(shards))%uint64(len(members))].consumer.take(msg, func() {})
			})
		})
	})
}

// within is the transport inside a process: the consumer is in the same process as the relay, and the acknowledgement says that the
// message was applied (bus.Memory).
func within(leader *member) func(msg message, ack func()) {
	return func(msg message, ack func()) {
		leader.neighbours[steps[msg.step].context].consumer.take(msg, ack)
	}
}

// consumer brings messages to the lanes, so many at the same time at most (bus/consumer.go).
type consumer struct {
	world   *world
	at      *member
	held    int
	waiting queue[delivery]
}

type delivery struct {
	message
	ack func()
}

func (c *consumer) take(msg message, ack func()) {
	c.waiting.push(delivery{msg, ack})
	c.admit()
}

func (c *consumer) admit() {
	if c.held >= consumerWindow || c.waiting.len() == 0 {
		return
	}
	d := c.waiting.pop()
	c.held++
	w := c.world
	c.at.process.serve(w.costs.Consume.Go.duration(), func() {
		c.at.laneOf(d.key).submit(w.jobOf(d.step, d.order, d.part, c.at, func() {
			c.held--
			d.ack()
			w.applied(d.step, d.order, d.part, c.at)
			c.admit()
		}))
	})
}
