package kafkabus

import (
	"context"
	"fmt"
	"slices"

	"shop/internal/platform/bus"
)

var _ bus.Inspector = (*Transport)(nil)

// Inspect tells of the topic. Each group has a place on a topic that exists: one that has not begun begins at the oldest message. Errors: ctx ended, the broker does not answer.
func (t *Transport) Inspect(ctx context.Context, topic string, groups ...string) (bus.TopicState, error) {
	state := bus.TopicState{Waiting: map[string]uint64{}}
	if !t.begin() {
		return state, bus.ErrClosed
	}
	defer t.asking.Done()
	if err := t.broker.RefreshMetadata(); err != nil { // of all topics: asking for one by its name might create it
		return state, fmt.Errorf("kafka: %w", err)
	}
	topics, err := t.broker.Topics()
	if err != nil {
		return state, fmt.Errorf("kafka: %w", err)
	}
	if state.Exists = slices.Contains(topics, topic); !state.Exists {
		return state, nil
	}
	for _, group := range groups {
		n, err := t.backlogOf(ctx, group, topic)
		if err != nil {
			return state, fmt.Errorf("kafka %s: %w", topic, err)
		}
		state.Waiting[group] = n
	}
	return state, nil
}
