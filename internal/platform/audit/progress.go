package audit

import "context"

// progressKey is where a context.Context keeps who is told how far an audit is.
type progressKey struct{}

// WithProgress has told called with the number of orders that an audit with the returned context has looked at since it was last called. It may be called from several goroutines.
func WithProgress(ctx context.Context, told func(orders int)) context.Context {
	return context.WithValue(ctx, progressKey{}, told)
}

// Advance says that so many orders more were looked at.
func Advance(ctx context.Context, orders int) {
	if told, ok := ctx.Value(progressKey{}).(func(int)); ok {
		told(orders)
	}
}
