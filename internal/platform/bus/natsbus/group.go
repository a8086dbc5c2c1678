package natsbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"
)

const (
	window  = 1024             // messages that a group was given and has not acknowledged, at most
	ackWait = 30 * time.Minute // until such a message comes again by itself, should an acknowledgement be lost unnoticed
)

// generation is one of a group's durable consumers. The newest, with the highest number, is the group's; older ones are on their way out.
type generation struct {
	number uint64
	info   *jetstream.ConsumerInfo
}

func generationName(group string, number uint64) string {
	return group + "-g" + strconv.FormatUint(number, 10)
}

// generationsOf lists the group's generations, oldest first.
func generationsOf(ctx context.Context, stream jetstream.Stream, group string) ([]generation, error) {
	var list []generation
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		digits, ok := strings.CutPrefix(info.Name, group+"-g")
		if !ok {
			continue
		}
		if number, err := strconv.ParseUint(digits, 10, 64); err == nil {
			list = append(list, generation{number, info})
		}
	}
	slices.SortFunc(list, func(a, b generation) int { return cmp.Compare(a.number, b.number) })
	return list, consumers.Err()
}

// joinGroup makes the first generation, unless there is one. It starts with what comes from now on.
func (t *Transport) joinGroup(ctx context.Context, group, topic string) error {
	stream, err := t.js.Stream(ctx, streamName(topic))
	if err != nil {
		return err
	}
	list, err := generationsOf(ctx, stream, group)
	if err != nil || len(list) > 0 {
		return err
	}
	first := consumerConfig(group, 1)
	first.DeliverPolicy = jetstream.DeliverNewPolicy
	if _, err := stream.CreateConsumer(ctx, first); err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
		return err
	}
	list, err = generationsOf(ctx, stream, group) // another process may have joined and be further by now
	if err != nil || len(list) == 0 {
		return err
	}
	return remove(ctx, stream, list[:len(list)-1])
}

func consumerConfig(group string, number uint64) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: generationName(group, number), Description: "a consumer group of shop",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: window, MaxDeliver: -1,
	}
}

// nextGeneration makes the group's next generation, which begins after everything that was acknowledged without a gap, and removes those before it. Until the new one is
// there, the old one keeps the messages; a process that dies in between, or is overtaken by another, has changed nothing that counts.
func (t *Transport) nextGeneration(ctx context.Context, group, topic string) (jetstream.Consumer, error) {
	if err := t.provision(ctx, topic); err != nil {
		return nil, err
	}
	stream, err := t.js.Stream(ctx, streamName(topic))
	if err != nil {
		t.forget(topic)
		return nil, err
	}
	old, err := generationsOf(ctx, stream, group)
	if err != nil {
		return nil, err
	}
	next := consumerConfig(group, 1)
	next.DeliverPolicy = jetstream.DeliverAllPolicy // if somebody deleted the group: the inbox knows what it had
	if len(old) > 0 {
		newest := old[len(old)-1]
		next = consumerConfig(group, newest.number+1)
		next.DeliverPolicy, next.OptStartSeq = jetstream.DeliverByStartSequencePolicy, newest.info.AckFloor.Stream+1
	}
	next.Metadata = map[string]string{"shop.owner": nuid.Next()} // so that two processes do not make the same one
	consumer, err := stream.CreateConsumer(ctx, next)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", next.Durable, err)
	}
	if err := remove(ctx, stream, old); err != nil {
		t.log.Warn("nats: an old consumer was not removed; the next one sees to it", zap.String("newest", next.Durable), zap.Error(err))
	}
	return consumer, nil
}

func remove(ctx context.Context, stream jetstream.Stream, list []generation) error {
	var all error
	for _, g := range list {
		if err := stream.DeleteConsumer(ctx, g.info.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			all = errors.Join(all, fmt.Errorf("%s: %w", g.info.Name, err))
		}
	}
	return all
}

// Backlog counts, for each topic that the group has joined, the messages that the broker has for it and that it has not acknowledged. Errors: ctx ended, the broker does not answer.
func (t *Transport) Backlog(ctx context.Context, group string) (map[string]uint64, error) {
	if err := t.begin(); err != nil {
		return nil, err
	}
	defer t.asking.Done()
	ctx, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	pending := map[string]uint64{}
	streams := t.js.ListStreams(ctx)
	for info := range streams.Info() {
		if len(info.Config.Subjects) != 1 || streamName(info.Config.Subjects[0]) != info.Config.Name {
			continue // somebody else's
		}
		stream, err := t.js.Stream(ctx, info.Config.Name)
		if err != nil {
			return nil, err
		}
		list, err := generationsOf(ctx, stream, group)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			newest := list[len(list)-1].info
			pending[info.Config.Subjects[0]] = newest.NumPending + uint64(newest.NumAckPending)
		}
	}
	return pending, streams.Err()
}
