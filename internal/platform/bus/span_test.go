package bus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

const processSpan = "process shop.sender.events"

// publishIn is publish on behalf of a ctx.
func (s *street) publishIn(ctx context.Context, bodies ...Body) {
	s.t.Helper()
	require.NoError(s.t, s.sender.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error { return s.from.Publish(ctx, tx, bodies...) }))
}

func TestAMessageContinuesTheTraceOfItsPublisherIntoItsTransaction(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		spans := telemetrytest.Record(t)
		On(s.to, record)
		start(t, s.from, s.to)
		ctx, root := telemetry.StartRequest(t.Context(), "")
		s.publishIn(ctx, happened{"ord_1", 1})
		root.End()
		process, written := spans.One(processSpan), spans.One("transaction receiver")
		for _, step := range []struct{ child, parent trace.SpanContext }{
			{process.Parent(), root.SpanContext()}, {written.Parent(), process.SpanContext()},
			{spans.One("transaction sender").Parent(), root.SpanContext()},
		} {
			require.Equal(t, step.parent.SpanID(), step.child.SpanID())
			require.Equal(t, root.SpanContext().TraceID(), step.child.TraceID())
		}
		require.Equal(t, trace.SpanKindConsumer, process.SpanKind())
		about := telemetrytest.Attributes(process)
		require.Equal(t, "ord_1", about[telemetry.OrderID])
		require.Equal(t, happenedType.String(), about[telemetry.MessageType])
		require.Equal(t, "receiver", about[telemetry.MessagingGroup])
		require.NotEmpty(t, about[telemetry.MessageID])
	})
}

func TestATraceThatIsNotSampledLeavesNoSpans(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		spans := telemetrytest.Record(t)
		heard := make(chan string, 1)
		On(s.to, func(ctx context.Context, _ *sqldb.Tx, _ happened) error {
			heard <- telemetry.TraceID(ctx)
			return nil
		})
		start(t, s.from, s.to)
		unsampled := telemetry.NewTraceparent()
		s.publishIn(telemetry.WithTraceparent(t.Context(), unsampled), happened{"k", 1})
		require.Equal(t, unsampled[3:35], <-heard, "the log still finds its way")
		s.sent()
		require.Empty(t, spans.Names())
	})
}

func TestEachAttemptIsASpanAndAReplayLinksToTheOneThatFailed(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		spans := telemetrytest.Record(t)
		healed, _ := poisoned(s)
		start(t, s.from, s.to)
		ctx, root := telemetry.StartRequest(t.Context(), "")
		s.publishIn(ctx, happened{"bad", 1})
		s.requireStates("bad/1 dead")
		attempts := spans.Wait(processSpan, 4)
		for _, a := range attempts {
			require.Equal(t, codes.Error, a.Status().Code)
		}
		require.Equal(t, "handler_failed", attempts[2].Status().Description)
		require.Equal(t, "dead_letter", attempts[3].Status().Description, "the last attempt buries it")
		healed.Store(true)
		require.NoError(t, Replay(t.Context(), s.receiver, deadLetters(t, s.receiver)[0].ID))
		replay := spans.One("replay shop.sender.events")
		require.Equal(t, root.SpanContext().TraceID(), replay.SpanContext().TraceID())
		require.Equal(t, root.SpanContext().SpanID(), replay.Parent().SpanID())
		require.Len(t, replay.Links(), 1)
		require.Equal(t, attempts[2].SpanContext().SpanID(), replay.Links()[0].SpanContext.SpanID())
		require.Equal(t, codes.Unset, replay.Status().Code)
	})
}

func TestMessagesOfOneTransactionAreLinkedToIt(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		spans := telemetrytest.Record(t)
		On(s.to, record)
		ctx, root := telemetry.StartRequest(t.Context(), "")
		other, second := telemetry.StartRequest(t.Context(), "")
		s.publishIn(ctx, happened{"a", 1})
		s.publishIn(other, happened{"b", 1})
		s.publishIn(telemetry.WithTraceparent(t.Context(), telemetry.NewTraceparent()), happened{"c", 1}) // they come one by one: when it has come, the others wait
		release := make(chan struct{})
		started := make(chan struct{})
		require.NoError(t, s.receiver.Submit(t.Context(), sqldb.Job{Run: func(context.Context, *sqldb.Tx) error {
			close(started)
			<-release
			return nil
		}}, func(error) {}))
		<-started // what comes to the receiver now waits, and shares the next transaction
		start(t, s.from, s.to)
		eventually(t, "all three have come", func() bool {
			s.to.consumer.mu.Lock()
			defer s.to.consumer.mu.Unlock()
			return s.to.consumer.running == 3
		})
		close(release)
		written := spans.One("transaction receiver")
		processes := spans.Wait(processSpan, 2)
		first, linked := processes[0], processes[1]
		if written.Parent().SpanID() != first.SpanContext().SpanID() {
			first, linked = linked, first
		}
		require.Equal(t, written.Parent().SpanID(), first.SpanContext().SpanID())
		require.Empty(t, first.Links())
		requireLink(t, linked, written)
		requireLink(t, written, linked)
		require.ElementsMatch(t, []trace.TraceID{root.SpanContext().TraceID(), second.SpanContext().TraceID()},
			[]trace.TraceID{first.SpanContext().TraceID(), linked.SpanContext().TraceID()})
	})
}

func requireLink(t *testing.T, from, to sdktrace.ReadOnlySpan) {
	t.Helper()
	require.Len(t, from.Links(), 1)
	require.Equal(t, to.SpanContext().SpanID(), from.Links()[0].SpanContext.SpanID())
}
