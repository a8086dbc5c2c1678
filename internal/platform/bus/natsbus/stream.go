package natsbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"shop/internal/platform/bus"
)

// duplicates is how long a stream remembers the ids of messages; a relay sends again much sooner. What comes later is the inbox's concern.
const duplicates = 2 * time.Minute

// streamName is the topic with what a stream's name may not have replaced.
func streamName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

func (t *Transport) streamConfig(topic string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamName(topic), Subjects: []string{topic}, Description: "messages of shop",
		Retention: jetstream.InterestPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		Duplicates: duplicates, Replicas: t.set.replicas, MaxBytes: t.set.maxBytes,
	}
}

func (t *Transport) isKnown(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[topic]
}

func (t *Transport) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, topic)
}

func (t *Transport) remember(group, topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.joined[topic], group) {
		t.joined[topic] = append(t.joined[topic], group)
	}
}

func (t *Transport) groupsOf(topic string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.joined[topic])
}

// provision makes sure, once a connection, that the stream is there, and with it the groups that have joined: a stream that nobody has joined keeps nothing. Commands have a
// receiver whether it has ever run or not.
func (t *Transport) provision(ctx context.Context, topic string) error {
	if t.isKnown(topic) {
		return nil
	}
	t.provisioning.Lock() // many publishes wait for the same
	defer t.provisioning.Unlock()
	if t.isKnown(topic) {
		return nil
	}
	if err := t.createStream(ctx, topic); err != nil {
		return err
	}
	if receiver, ok := bus.Addressee(topic); ok {
		t.remember(receiver, topic)
	}
	for _, group := range t.groupsOf(topic) {
		if err := t.joinGroup(ctx, group, topic); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[topic] = true
	return nil
}

// createStream creates the stream, also if another process does at the same time.
func (t *Transport) createStream(ctx context.Context, topic string) error {
	want := t.streamConfig(topic)
	_, err := t.js.CreateStream(ctx, want)
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return err
	}
	stream, err := t.js.Stream(ctx, want.Name)
	if err != nil {
		return err
	}
	have := stream.CachedInfo().Config
	if !slices.Equal(have.Subjects, want.Subjects) {
		return fmt.Errorf("the stream %s is for %v", want.Name, have.Subjects)
	}
	t.log.Info("nats: the stream has settings of its own, and is left as it is", zap.String("stream", want.Name),
		zap.Stringer("retention", have.Retention), zap.Stringer("discard", have.Discard), zap.Int("replicas", have.Replicas), zap.Int64("max_bytes", have.MaxBytes))
	return nil
}
