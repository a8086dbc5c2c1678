package cache

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"
)

const (
	redisPatience = 100 * time.Millisecond // longest that anything asked of Redis may take
	redisFailures = 5                      // in a row, and it is not asked any more
	redisPause    = time.Second            // for so long; then one request finds out
)

// ErrSkipped: Redis failed a moment ago and is not asked.
var ErrSkipped = errors.New("cache: redis is not asked, it failed a moment ago")

// errURL does not repeat the URL: it may hold a password.
var errURL = errors.New("expected redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or rediss:// for TLS")

// CheckURL says whether it can be the URL of a Redis.
func CheckURL(url string) error {
	if _, err := redis.ParseURL(url); err != nil {
		return errURL
	}
	return nil
}

// Shared is a Redis that may be missing at any time.
type Shared struct {
	client  *redis.Client
	breaker circuitbreaker.CircuitBreaker[any]
}

// Connect prepares for a Redis. It asks it nothing: one that is down is no reason not to start. Errors: the URL is none of Redis.
func Connect(url string, log *zap.Logger) (*Shared, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL
	}
	redis.SetLogger(silent{}) // what fails is told once, when it begins and when it ends
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = redisPatience, redisPatience, redisPatience, redisPatience
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	breaker := circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(redisFailures).WithDelay(redisPause).WithSuccessThreshold(1).
		OnOpen(func(e circuitbreaker.StateChangedEvent) {
			if e.OldState != circuitbreaker.ClosedState {
				return // it was told when it began
			}
			log.Warn("redis does not answer; going on without it", zap.String("redis", o.Addr))
		}).
		OnClose(func(circuitbreaker.StateChangedEvent) { log.Info("redis answers again", zap.String("redis", o.Addr)) }).
		Build()
	return &Shared{client: redis.NewClient(o), breaker: breaker}, nil
}

// silent is the log of the driver, which would say everything at every attempt.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Do asks Redis something that takes at most 100 ms, whatever time ctx has left: an impatient caller says nothing about Redis. redis.Nil is no failure.
// Errors: ErrSkipped; what Redis or the network says.
func (s *Shared) Do(ctx context.Context, ask func(context.Context, *redis.Client) error) error {
	if !s.breaker.TryAcquirePermit() {
		return ErrSkipped
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisPatience)
	defer cancel()
	err := ask(ctx, s.client)
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	if err != nil {
		s.breaker.RecordFailure()
	} else {
		s.breaker.RecordSuccess()
	}
	return err
}

// Healthy reports whether Redis answered when it was last asked.
func (s *Shared) Healthy() bool { return s.breaker.IsClosed() }

// Close gives up the connections.
func (s *Shared) Close() error { return s.client.Close() }

var _ io.Closer = (*Shared)(nil)
