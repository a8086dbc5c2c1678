package bus

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

// measured are the metrics of endpoints by their names: of counters and gauges the value, of histograms how many were observed; summed over series with the given
// value of error_type.
func measured(t *testing.T, errorType string, endpoints ...*Endpoint) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, e := range endpoints {
		require.NoError(t, registry.Register(e.Metrics()))
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	sums := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			said := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "error_type" {
					said = l.GetValue()
				}
			}
			if said == errorType {
				sums[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sums
}

func TestMessagesAreCountedWhenTheyAreSentAndWhenTheyAreApplied(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		poisoned(s)
		start(t, s.from, s.to)
		for n := range 4 {
			s.publish(happened{"bad", n}, happened{"good", n})
		}
		s.requireStates("bad/1 dead", "bad/2 parked", "bad/3 parked")
		s.sent()
		well, failed := measured(t, "", s.from, s.to), measured(t, "failed", s.from, s.to)
		require.InDelta(t, 8, well["messaging_client_sent_messages_total"], 0)
		require.InDelta(t, 7, well["messaging_process_duration_seconds"], 0, "all but the poison; what parks behind it was put there")
		require.InDelta(t, 7, well["shop_message_lag_seconds"], 0)
		require.InDelta(t, 3, failed["messaging_process_duration_seconds"], 0, "each attempt, and the burial is none")
		require.InDelta(t, 2, well["shop_messages_retries_total"], 0, "after the third there was no other")
		require.Zero(t, well["shop_messages_in_flight"])
	})
}

func TestAMessageIsInFlightUntilItIsApplied(t *testing.T) {
	eachStreet(t, func(t *testing.T, s *street) {
		began, goOn := make(chan struct{}), make(chan struct{})
		On(s.to, func(ctx context.Context, tx *sqldb.Tx, m happened) error {
			if m.N == 0 {
				close(began)
				<-goOn
			}
			return record(ctx, tx, m)
		})
		start(t, s.from, s.to)
		s.publish(happened{"a", 0}, happened{"a", 1}, happened{"b", 2})
		<-began
		eventually(t, "all were received", func() bool { return measured(t, "", s.to)["shop_messages_in_flight"] == 3 })
		close(goOn)
		s.sent()
		eventually(t, "all were applied", func() bool { return measured(t, "", s.to)["shop_messages_in_flight"] == 0 })
	})
}

func TestCountingAMessageTakesNoMemory(t *testing.T) {
	s := newStreet(t, "sqlite:"+t.TempDir())
	On(s.to, record)
	msg := s.from.message(&letter{ID: "p.1", Type: happenedType.String(), Key: "k"}, sqldb.Micros(time.Now()))
	d := &delivery{msg: msg, handler: s.to.handlers[happenedType.String()], began: time.Now()}
	counters := s.from.metrics.topic(happenedType.Topic())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		counters.count(nil)
		counters.count(errWithheld)
		d.measure(false, nil)
		d.measure(false, errBad)
	}))
}
