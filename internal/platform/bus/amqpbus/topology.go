package amqpbus

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/platform/bus"
)

// topology is what was declared, so that it can be declared again to a broker that came back without it.
type topology struct {
	set settings

	mu     sync.Mutex
	groups map[string][]string // of each topic
}

// partitionOf is where the messages of a key go. It is the same in every process, for good.
func (p *topology) partitionOf(key string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // it has no error
	return strconv.Itoa(int(h.Sum32() % uint32(p.set.partitions)))
}

func queueName(topic, partition, group string) string { return topic + "." + partition + "_" + group }

// owner is the context to which a topic brings commands: payments for shop.payments.commands.
func owner(topic string) (context string, ok bool) {
	context, ok = strings.CutSuffix(topic, "."+string(bus.Command))
	return context[strings.LastIndexByte(context, '.')+1:], ok
}

// note remembers the topic, and the group's place on it unless group is "". The owner of commands always has a place, so that none is lost before it starts.
func (p *topology) note(topic, group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	groups := p.groups[topic]
	if context, ok := owner(topic); ok && !slices.Contains(groups, context) {
		groups = append(groups, context)
	}
	if group != "" && !slices.Contains(groups, group) {
		groups = append(groups, group)
	}
	p.groups[topic] = groups
}

// joined are the topics of a group.
func (p *topology) joined(group string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var topics []string
	for topic, groups := range p.groups {
		if slices.Contains(groups, group) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// declare declares the exchange of a topic, and the queues of all its groups.
func (p *topology) declare(ch *amqp.Channel, topic string) error {
	if err := ch.ExchangeDeclare(topic, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return err
	}
	if err := p.declareMarker(ch, topic); err != nil {
		return err
	}
	p.mu.Lock()
	groups := slices.Clone(p.groups[topic])
	p.mu.Unlock()
	for _, group := range groups {
		for n := range p.set.partitions {
			if err := p.declareQueue(ch, topic, strconv.Itoa(n), group); err != nil {
				return err
			}
		}
	}
	return nil
}

// declareMarker declares a queue that stays empty and whose length limit is the number of partitions: the broker refuses whoever names another number, whose
// messages would go where nobody looks.
func (p *topology) declareMarker(ch *amqp.Channel, topic string) error {
	_, err := ch.QueueDeclare(topic+".partitions", true, false, false, false, amqp.Table{"x-max-length": int64(p.set.partitions)})
	if refused := (*amqp.Error)(nil); errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("the broker has another number of partitions than %d: %w", p.set.partitions, err)
	}
	return err
}

func (p *topology) declareQueue(ch *amqp.Channel, topic, partition, group string) error {
	args := amqp.Table{"x-single-active-consumer": true}
	if p.set.quorum {
		args[amqp.QueueTypeArg] = amqp.QueueTypeQuorum
	}
	name := queueName(topic, partition, group)
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return err
	}
	return ch.QueueBind(name, partition, topic, false, nil)
}

func (p *topology) declareAll(ch *amqp.Channel) error {
	p.mu.Lock()
	var topics []string
	for topic := range p.groups {
		topics = append(topics, topic)
	}
	p.mu.Unlock()
	slices.Sort(topics)
	for _, topic := range topics {
		if err := p.declare(ch, topic); err != nil {
			return err
		}
	}
	return nil
}
