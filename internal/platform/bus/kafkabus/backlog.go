package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"shop/internal/platform/bus"
)

// Backlog counts, for each topic that the group joined here, the messages it has not acknowledged; acknowledgements of the last second may not be counted yet. Errors: ctx
// ended, the broker does not answer.
func (t *Transport) Backlog(ctx context.Context, group string) (map[string]uint64, error) {
	if !t.begin() {
		return nil, bus.ErrClosed
	}
	defer t.asking.Done()
	t.mu.Lock()
	topics := slices.Clone(t.joined[group])
	t.mu.Unlock()
	counts := make(map[string]uint64, len(topics))
	for _, topic := range topics {
		n, err := t.backlogOf(ctx, group, topic)
		if err != nil {
			return nil, fmt.Errorf("kafka %s: %w", topic, err)
		}
		counts[topic] = n
	}
	return counts, nil
}

func (t *Transport) backlogOf(ctx context.Context, group, topic string) (uint64, error) {
	partitions, err := t.broker.Partitions(topic)
	if err != nil {
		return 0, err
	}
	admin, err := sarama.NewClusterAdminFromClient(t.broker) // shares the client, and must not be closed
	if err != nil {
		return 0, err
	}
	committed, err := admin.ListConsumerGroupOffsets(groupID(group, topic), map[string][]int32{topic: partitions})
	if errors.Is(err, sarama.ErrGroupIDNotFound) { // it has not begun
		committed, err = &sarama.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, p := range partitions {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		end, err := t.broker.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return 0, err
		}
		from := int64(-1)
		if block := committed.GetBlock(topic, p); block != nil {
			from = block.Offset
		}
		if from < 0 { // nothing committed yet
			if from, err = t.broker.GetOffset(topic, p, sarama.OffsetOldest); err != nil {
				return 0, err
			}
		}
		n += uint64(max(end-from, 0))
	}
	return n, nil
}
