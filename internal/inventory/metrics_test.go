package inventory

import (
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

func TestAReservationThatIsRefusedIsCountedOnce(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		stockOuts := func() float64 {
			var m dto.Metric
			require.NoError(t, h.m.stockOuts.Write(&m))
			return m.GetCounter().GetValue()
		}
		h.receive("MUG", 2)
		h.tell(reserve("ord_1", line("MUG", 2)))
		require.Zero(t, stockOuts())
		h.tell(reserve("ord_2", line("MUG", 1)))
		h.tell(reserve("ord_2", line("MUG", 1))) // the same answer again
		require.InDelta(t, 1, stockOuts(), 0)
		h.tell(reserve("ord_3", line("MUG", 1), line("CUP", 7)))
		require.InDelta(t, 2, stockOuts(), 0)
	})
}
