package natsbus

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"shop/internal/platform/bus"
)

var _ bus.Inspector = (*Transport)(nil)

// Inspect tells of the topic's stream and of its groups' consumers. Errors: ctx ended, the broker does not answer.
func (t *Transport) Inspect(ctx context.Context, topic string, groups ...string) (bus.TopicState, error) {
	state := bus.TopicState{Waiting: map[string]uint64{}}
	if err := t.begin(); err != nil {
		return state, err
	}
	defer t.asking.Done()
	ctx, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	defer context.AfterFunc(t.link(), cancel)() // an answer that is awaited when the connection breaks never comes
	stream, err := t.js.Stream(ctx, streamName(topic))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return state, nil
	}
	if err != nil {
		return state, wrap(topic, err)
	}
	state.Exists, state.At = true, stream.CachedInfo().TimeStamp
	for _, group := range groups {
		list, err := generationsOf(ctx, stream, group)
		if err != nil {
			return state, wrap(topic, err)
		}
		if len(list) > 0 {
			newest := list[len(list)-1].info
			state.Waiting[group] = newest.NumPending + uint64(newest.NumAckPending)
		}
	}
	return state, nil
}
