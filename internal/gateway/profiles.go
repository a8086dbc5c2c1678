package gateway

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/cache"
	"shop/internal/platform/telemetry"
)

// profileTTL is how old a profile in an order's details may be where nobody tells of its changes: in a process that does not hear the events of customers.
const profileTTL = 30 * time.Second

// group is the gateway's name among those who listen.
const group = "gateway"

// profiles keeps customers' profiles, and forgets one that has changed. It does not look at who asks: whoever may see a customer's order may see the customer.
type profiles struct {
	source customersapi.Queries
	known  *cache.Cache[customersapi.Customer]
	bus    bus.Transport
	log    *zap.Logger

	subscriber message.Subscriber
	done       chan struct{}
}

func newProfiles(n Needs, log *zap.Logger) (*profiles, error) {
	p := &profiles{source: n.Customers, bus: n.Bus, log: log}
	p.known = cache.New[customersapi.Customer](n.Cache, cache.Config{Name: "profiles", TTL: profileTTL, Size: 20_000, Fetch: n.Deadline})
	if p.bus == nil {
		return p, nil
	}
	return p, p.bus.Join(group, bus.Topic("customers", bus.Event))
}

// find gives a customer's profile; nil when there is none. Errors: those of customersapi.Queries.
func (p *profiles) find(ctx context.Context, id string) (*customersapi.Customer, error) {
	c, found, err := p.known.Get(ctx, id, func(ctx context.Context) (customersapi.Customer, bool, error) {
		all, err := p.source.Customers(ctx, []string{id})
		if err != nil || len(all) == 0 {
			return customersapi.Customer{}, false, err
		}
		return all[0], true, nil
	})
	if err != nil || !found {
		return nil, err
	}
	return &c, nil
}

func (p *profiles) start(ctx context.Context) error {
	if p.bus == nil {
		return nil
	}
	subscriber, err := p.bus.Subscriber(group)
	if err != nil {
		return err
	}
	messages, err := subscriber.Subscribe(context.WithoutCancel(ctx), bus.Topic("customers", bus.Event))
	if err != nil {
		return err
	}
	p.subscriber, p.done = subscriber, make(chan struct{})
	go p.listen(messages)
	return nil
}

// listen forgets whom an event of customers is about, whatever the event.
func (p *profiles) listen(messages <-chan *message.Message) {
	defer close(p.done)
	for msg := range messages {
		var about struct {
			CustomerID string `json:"customer_id"`
		}
		if err := json.Unmarshal(msg.Payload, &about); err != nil {
			p.log.Error("an event of customers cannot be read; all profiles are forgotten", telemetry.Fields(msg.Context()), zap.String("message_id", msg.UUID), zap.Error(err))
			p.known.InvalidateAll(msg.Context())
		} else {
			p.known.Invalidate(msg.Context(), about.CustomerID)
		}
		msg.Ack()
	}
}

func (p *profiles) stop() {
	if p.subscriber == nil {
		return
	}
	if err := p.subscriber.Close(); err != nil {
		p.log.Warn("the subscription to customers does not close", zap.Error(err))
	}
	<-p.done
}
