package main

import (
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"shop/internal/platform/bus"
	"shop/internal/platform/bus/amqpbus"
	"shop/internal/platform/bus/kafkabus"
	"shop/internal/platform/bus/natsbus"
)

// memoryBus carries messages within this process and no further.
const memoryBus = "memory:"

// broker is a bus that reaches other processes.
type broker struct {
	check func(url string) error // what is wrong with its URL
	open  func(url, client string, log *zap.Logger) (bus.Transport, error)
}

// brokers are those there are, by the scheme of their URL.
var brokers = map[string]broker{
	"nats": {natsbus.Check, func(url, client string, log *zap.Logger) (bus.Transport, error) {
		return natsbus.Open(url, natsbus.Options{Log: log, ClientName: client})
	}},
	"kafka": {kafkabus.Check, func(url, client string, log *zap.Logger) (bus.Transport, error) {
		return kafkabus.Open(url, kafkabus.Options{Log: log, ClientName: client})
	}},
	"amqp":  {amqpbus.Check, openAMQP},
	"amqps": {amqpbus.Check, openAMQP},
}

func openAMQP(url, client string, log *zap.Logger) (bus.Transport, error) {
	return amqpbus.Open(url, amqpbus.Options{Log: log, ClientName: client})
}

var errBusURL = errors.New("expected memory:, nats://HOST:PORT, kafka://HOST:PORT or amqp://USER:PASSWORD@HOST:PORT")

func checkBusURL(s string) error {
	if s == memoryBus {
		return nil
	}
	scheme, _, _ := strings.Cut(s, "://")
	b, known := brokers[scheme]
	if !known {
		return errBusURL
	}
	if err := b.check(s); err != nil {
		return fmt.Errorf("%w: %w", errBusURL, err)
	}
	return nil
}

// openBus connects to what carries messages between contexts. A broker is told of everybody who has to get messages, hosted here or not: whichever process starts first, what it
// says waits for the others. client names this process in the broker's own diagnosis. Errors: that the broker does not answer, with exitDependency.
func openBus(busURL, client string, log *zap.Logger) (bus.Transport, error) {
	if busURL == memoryBus {
		return bus.NewMemory(), nil
	}
	scheme, _, _ := strings.Cut(busURL, ":")
	t, err := brokers[scheme].open(busURL, client, log)
	if err != nil {
		return nil, brokerError(err)
	}
	if err := joinAll(t); err != nil {
		return nil, errors.Join(brokerError(err), t.Close())
	}
	return t, nil
}

func brokerError(err error) error {
	return &exitError{exitDependency, fmt.Errorf("the broker of SHOP_BUS_URL: %w", err)}
}

func joinAll(t bus.Transport) error {
	for _, c := range contextMap {
		for _, kind := range []bus.Kind{bus.Event, bus.Command} {
			if err := t.Declare(bus.Topic(c.name, kind)); err != nil {
				return err
			}
		}
	}
	for _, c := range contextMap {
		for _, topic := range c.topics() {
			if err := t.Join(c.name, topic); err != nil {
				return err
			}
		}
	}
	return nil
}
