package payments

import (
	"context"
	"sync"

	"shop/internal/platform/bus"
)

// task is a call to the provider and what follows from it. It ends with its ctx.
type task func(ctx context.Context)

// senders carry out tasks, some at a time. What does not fit into their queue is dropped: each task is also a row with a time at which the reconciler takes it up.
type senders struct {
	queue  chan task
	ctx    context.Context // of the tasks
	cancel context.CancelFunc
	quit   chan struct{}
	done   sync.WaitGroup
}

func newSenders(queue int) *senders {
	s := &senders{queue: make(chan task, queue), quit: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *senders) start(n int) {
	for range n {
		s.done.Go(s.work)
	}
}

// offer hands over a task that follows from what runs with from, and does not wait.
func (s *senders) offer(from context.Context, t task) {
	select {
	case s.queue <- func(ctx context.Context) { t(bus.Continue(ctx, from)) }:
	default:
	}
}

func (s *senders) work() {
	for {
		select {
		case <-s.quit:
			return
		default:
		}
		select {
		case <-s.quit:
			return
		case t := <-s.queue:
			t(s.ctx)
		}
	}
}

// stop lets the tasks under way finish, leaves the rest to the reconciler, and cuts the calls when ctx ends first. Errors: that of ctx.
func (s *senders) stop(ctx context.Context) error {
	close(s.quit)
	defer s.cancel()
	finished := make(chan struct{})
	go func() {
		s.done.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		s.cancel()
		<-finished
		return ctx.Err()
	}
}
