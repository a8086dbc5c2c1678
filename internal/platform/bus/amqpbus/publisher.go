package amqpbus

import (
	"errors"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

const subject = "ce_subject"

var (
	errNotConfirmed = errors.New("the broker did not confirm the message")
	errUnroutable   = errors.New("the message found no queue")
)

// publisher publishes on one channel, on which any number of messages wait for their confirmation.
type publisher struct {
	line     *line
	topology *topology

	mu      sync.Mutex
	channel *confirming
}

// confirming is a channel that confirms, and tells which messages found no queue.
type confirming struct {
	*amqp.Channel
	mu       sync.Mutex
	returned map[string]bool // ids of messages
}

// publish returns when the broker has confirmed each message.
func (p *publisher) publish(topic string, messages ...*message.Message) error {
	for _, msg := range messages {
		if err := p.publishOne(topic, msg); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) publishOne(topic string, msg *message.Message) error {
	ch, err := p.current()
	if err != nil {
		return err
	}
	_, mandatory := owner(topic)
	confirmation, err := ch.PublishWithDeferredConfirm(topic, p.topology.partitionOf(msg.Metadata.Get(subject)), mandatory, false, marshal(msg))
	if err != nil {
		return err
	}
	if !confirmation.Wait() {
		return errNotConfirmed
	}
	if mandatory && ch.wasReturned(msg.UUID) {
		return errUnroutable
	}
	return nil
}

// current is the open channel. A new one is opened, and all that is known declared, when there is none.
func (p *publisher) current() (*confirming, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.channel != nil && !p.channel.IsClosed() {
		return p.channel, nil
	}
	ch, err := p.line.channel()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.topology.declareAll(ch), ch.Confirm(false)); err != nil {
		return nil, errors.Join(err, closeChannel(ch))
	}
	p.channel = &confirming{Channel: ch, returned: map[string]bool{}}
	go p.channel.note(ch.NotifyReturn(make(chan amqp.Return)), ch.NotifyReturn(make(chan amqp.Return)))
	return p.channel, nil
}

// note keeps account of what is returned, until the channel is closed. A return comes before the confirmation, and the client goes on to that when both have been taken:
// whoever sees the confirmation sees the return.
func (c *confirming) note(returns, noted <-chan amqp.Return) {
	for r := range returns {
		c.mu.Lock()
		c.returned[r.MessageId] = true
		c.mu.Unlock()
		<-noted
	}
}

func (c *confirming) wasReturned(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.returned[id]
	delete(c.returned, id)
	return was
}

func closeChannel(ch *amqp.Channel) error {
	if err := ch.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
		return err
	}
	return nil
}

func marshal(msg *message.Message) amqp.Publishing {
	headers := make(amqp.Table, len(msg.Metadata))
	for name, value := range msg.Metadata {
		headers[name] = value
	}
	return amqp.Publishing{
		MessageId: msg.UUID, Headers: headers, ContentType: msg.Metadata.Get("content-type"), DeliveryMode: amqp.Persistent, Body: msg.Payload,
	}
}

// unmarshal ignores headers that are no text: none of them is ours.
func unmarshal(d amqp.Delivery) *message.Message {
	msg := message.NewMessage(d.MessageId, d.Body)
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			msg.Metadata.Set(name, text)
		}
	}
	return msg
}
