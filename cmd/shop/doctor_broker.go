package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"shop/internal/platform/bus"
)

// queueLong is a backlog at the broker that somebody should know of.
const queueLong = 10_000

const brokerPage = "docs/how-to/choose-a-broker.md"

// topicPlaces are the topics that the contexts use, with the groups that must have a place on each.
func topicPlaces() map[string][]string {
	places := map[string][]string{}
	for _, c := range contextMap {
		for _, topic := range c.topics() {
			places[topic] = append(places[topic], c.name)
		}
	}
	for _, c := range contextMap {
		for _, kind := range []bus.Kind{bus.Event, bus.Command} {
			if topic := bus.Topic(c.name, kind); places[topic] == nil {
				places[topic] = []string{}
			}
		}
	}
	return places
}

// examineBroker looks whether the broker answers, has the topics, and a place on them for each context; and how much waits there. It makes nothing that is missing.
func (d *doctor) examineBroker(ctx context.Context, c *chart) {
	if d.cfg.busURL == memoryBus {
		c.ok("broker", "none: messages stay within this process")
		return
	}
	scheme, _, _ := strings.Cut(d.cfg.busURL, ":")
	transport, err := brokers[scheme].open(d.cfg.busURL, d.cfg.service+" doctor", zap.NewNop())
	if err != nil {
		c.fail("broker", exitDependency, "start the broker, or correct SHOP_BUS_URL: "+brokerPage, "that of SHOP_BUS_URL does not answer: %s", plainly(err))
		return
	}
	defer func() { _ = transport.Close() }() // nothing was sent
	inspector, can := transport.(bus.Inspector)
	if !can {
		c.ok("broker", "it answers")
		return
	}
	seen, err := d.inspectTopics(ctx, inspector)
	if err != nil {
		c.fail("broker", exitDependency, "see what the broker says in its log: "+brokerPage, "it answers and cannot be asked: %s", plainly(err))
		return
	}
	judgeTopics(c, seen)
}

// inspectTopics asks for all topics at the same time, and compares the broker's clock with ours where it tells.
func (d *doctor) inspectTopics(ctx context.Context, inspector bus.Inspector) (map[string]bus.TopicState, error) {
	seen := map[string]bus.TopicState{}
	var mu sync.Mutex
	var told *otherClock // the most exact
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for topic, groups := range topicPlaces() {
		g.Go(func() error {
			before, began := d.clock.Now(), time.Now()
			state, err := inspector.Inspect(ctx, topic, groups...)
			half := time.Since(began) / 2
			mu.Lock()
			defer mu.Unlock()
			seen[topic] = state
			if err == nil && !state.At.IsZero() && (told == nil || half < told.inexact) {
				told = &otherClock{"the broker", state.At.Sub(before.Add(half)), half}
			}
			return err
		})
	}
	err := g.Wait()
	if told != nil {
		d.facts.clock(*told)
	}
	return seen, err
}

func judgeTopics(c *chart, seen map[string]bus.TopicState) {
	var missing, placeless, long []string
	waiting := uint64(0)
	for topic, groups := range topicPlaces() {
		state := seen[topic]
		if !state.Exists {
			missing = append(missing, topic)
			continue
		}
		for _, group := range groups {
			n, there := state.Waiting[group]
			if !there {
				placeless = append(placeless, group+" on "+topic)
			}
			if waiting += n; n > queueLong {
				long = append(long, group+" on "+topic)
			}
		}
	}
	for _, list := range [][]string{missing, placeless, long} {
		slices.Sort(list)
	}
	switch {
	case len(missing) == len(seen):
		c.warn("broker", "shop serve makes them", "it answers, and has no topics of shop: none has run with it")
	case len(missing) > 0:
		c.fail("broker", exitFailed, "restart a process of this version, which makes them: "+brokerPage, "it has no %s", strings.Join(missing, ", "))
	case len(placeless) > 0:
		c.fail("broker", exitFailed, "restart a process of this version, which makes it: "+brokerPage, "it keeps no messages for %s", strings.Join(placeless, ", "))
	case len(long) > 0:
		c.warn("broker", "see whether those who host the receivers run, and keep up: shop contexts", "%d messages wait at it, many for %s", waiting, strings.Join(long, ", "))
	default:
		c.ok("broker", "it answers, has %d topics, and %d messages wait at it", len(seen), waiting)
	}
}
