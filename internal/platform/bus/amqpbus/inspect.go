package amqpbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/platform/bus"
)

var _ bus.Inspector = (*Transport)(nil)

// Inspect tells of the topic's exchange and of its groups' queues. Waiting messages are counted without those that are under way. Errors: ctx ended, the broker does not answer.
func (t *Transport) Inspect(ctx context.Context, topic string, groups ...string) (bus.TopicState, error) {
	state := bus.TopicState{Waiting: map[string]uint64{}}
	there, err := t.passively(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(topic, amqp.ExchangeDirect, true, false, false, false, nil)
	})
	if state.Exists = there; err != nil || !there {
		return state, wrapInspect(topic, err)
	}
	for _, group := range groups {
		waiting := uint64(0)
		there, err := t.passively(func(ch *amqp.Channel) error {
			waiting = 0
			for n := range t.topology.set.partitions {
				q, err := ch.QueueDeclarePassive(queueName(topic, strconv.Itoa(n), group), true, false, false, false, nil)
				if err = errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				waiting += uint64(q.Messages)
			}
			return nil
		})
		if err != nil {
			return state, wrapInspect(topic, err)
		}
		if there {
			state.Waiting[group] = waiting
		}
	}
	return state, nil
}

// passively asks for what may not be there: the broker answers that by closing the channel, of which each question has one.
func (t *Transport) passively(question func(ch *amqp.Channel) error) (there bool, err error) {
	missing := make(chan struct{}, 1)
	err = t.ask(func(ch *amqp.Channel) error {
		err := question(ch)
		if refused := (*amqp.Error)(nil); errors.As(err, &refused) && refused.Code == amqp.NotFound {
			missing <- struct{}{}
			return nil
		}
		return err
	})
	select {
	case <-missing:
		return false, nil // whatever closing the closed channel said
	default:
		return err == nil, err
	}
}

func wrapInspect(topic string, err error) error {
	if err != nil {
		return fmt.Errorf("amqp %s: %w", topic, err)
	}
	return nil
}
