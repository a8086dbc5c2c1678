package amqpbus

import (
	"errors"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/platform/bus"
)

const (
	dialTime  = 3 * time.Second
	heartbeat = 5 * time.Second // a connection that is silent for three of them is lost
	redial    = 200 * time.Millisecond
)

// line is a connection that is made when it is needed, and made again when it is gone.
type line struct {
	dial func() (*amqp.Connection, error)

	mu     sync.Mutex
	conn   *amqp.Connection
	closed bool
	failed time.Time // when dialing failed last
	reason error
}

func newLine(set settings, purpose string) *line {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(set.client + " " + purpose)
	return &line{dial: func() (*amqp.Connection, error) {
		return amqp.DialConfig(set.url, amqp.Config{Heartbeat: heartbeat, Dial: amqp.DefaultDial(dialTime), Properties: properties})
	}}
}

// channel opens a channel. Who finds the broker gone a moment after somebody else did gets the same answer.
func (l *line) channel() (*amqp.Channel, error) {
	conn, err := l.connection()
	if err != nil {
		return nil, err
	}
	return conn.Channel()
}

func (l *line) connection() (*amqp.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, bus.ErrClosed
	case l.conn != nil && !l.conn.IsClosed():
		return l.conn, nil
	case time.Since(l.failed) < redial:
		return nil, l.reason
	}
	conn, err := l.dial()
	if err != nil {
		l.failed, l.reason = time.Now(), err
		return nil, err
	}
	l.conn = conn
	return conn, nil
}

func (l *line) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.conn == nil {
		return nil
	}
	if err := l.conn.CloseDeadline(time.Now().Add(dialTime)); !errors.Is(err, amqp.ErrClosed) {
		return err
	}
	return nil
}
