package bus

import (
	"context"
	"sync"

	"go.uber.org/zap"
)

// Exclusive is a transport that keeps the order of a key only if one process of a group consumes at a time. The one that leads the context does.
type Exclusive interface {
	Transport
	// Exclusive says so; it does nothing.
	Exclusive()
}

// turn is a context's right to consume from an exclusive transport in this process.
type turn struct {
	taken sync.Mutex    // held while a consumer runs
	over  chan struct{} // closed when there will be no further one
}

func (e *Endpoint) exclusive() bool {
	_, yes := e.cfg.Transport.(Exclusive)
	return yes
}

// consumeWhileLeading receives from an exclusive transport until ctx ends or the endpoint stops: with a new consumer each time, since the messages that one gave back
// when it stopped come again. It returns when the handlers have finished.
func (e *Endpoint) consumeWhileLeading(ctx context.Context) {
	e.turn.taken.Lock()
	defer e.turn.taken.Unlock()
	for ctx.Err() == nil && !isClosed(e.turn.over) {
		c := newConsumer(e)
		if err := c.start(); err != nil {
			e.cfg.Log.Warn("no subscription; it is tried again", zap.Error(err))
			pause(ctx, relayPause)
			continue
		}
		select {
		case <-ctx.Done():
		case <-e.turn.over:
		}
		c.stop()
	}
}

// startConsuming subscribes, or leaves it to the process that leads.
func (e *Endpoint) startConsuming() error {
	if e.exclusive() {
		return nil
	}
	return e.consumer.start()
}

// stopConsuming finishes the handlers that run and gives the rest back.
func (e *Endpoint) stopConsuming() {
	if !e.exclusive() {
		e.consumer.stop()
		return
	}
	close(e.turn.over)
	e.turn.taken.Lock()
	e.turn.taken.Unlock() //nolint:staticcheck // waits for the one that runs; who comes later sees that it is over
}
