package shipping

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/shipping/shippingapi"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

var dhl = parcel{"DHL", "42"}

func order(reference string) shippingapi.CreateShipment {
	return shippingapi.CreateShipment{
		Reference: reference,
		Owner:     "ann",
		Address:   shippingapi.Address{Name: "Ada Lovelace", Line1: "12 St James's Square", City: "London", Country: "GB"},
		Lines:     []shippingapi.Line{{SKU: "MUG-1", Quantity: 2}, {SKU: "CUP-1", Quantity: 1}},
	}
}

// at is a shipment that has come to a status, an hour a step.
func at(t *testing.T, way ...status) shipment {
	t.Helper()
	s := newShipment("shp_1", order("ord_1"), noon)
	for i, next := range way {
		var err error
		s, _, err = s.become(next, parcel{}, noon.Add(time.Duration(i+1)*time.Hour))
		require.NoError(t, err)
	}
	return s
}

func TestAShipmentGoesOnlyTheWaysOfTheTable(t *testing.T) {
	from := map[string]shipment{
		"created": at(t), "dispatched": at(t, dispatched), "delivered": at(t, dispatched, delivered),
		"returned": at(t, dispatched, delivered, returned), "returned undelivered": at(t, dispatched, returned),
		"cancelled": at(t, cancelled), "a tombstone": newTombstone("shp_1", "ord_1", noon),
	}
	legal := map[string][]status{
		"created": {dispatched, cancelled}, "dispatched": {delivered, returned}, "delivered": {returned},
	}
	for name, s := range from {
		for _, next := range []status{created, dispatched, delivered, returned, cancelled} {
			moved, changed, err := s.become(next, parcel{}, noon.Add(24*time.Hour))
			switch {
			case s.status == next:
				require.NoError(t, err, "%s to %s", name, next)
				require.False(t, changed)
				require.Equal(t, s, moved)
			case slices.Contains(legal[name], next):
				require.NoError(t, err, "%s to %s", name, next)
				require.True(t, changed)
				require.Equal(t, next, moved.status)
				require.Equal(t, noon.Add(24*time.Hour), moved.updatedAt)
			default:
				require.ErrorIs(t, err, ErrIllegalTransition, "%s to %s", name, next)
				require.Equal(t, s, moved)
			}
		}
	}
}

func TestEachStepIsRememberedWithItsTime(t *testing.T) {
	s := at(t, dispatched, delivered, returned)
	require.Equal(t, []time.Time{noon, noon.Add(time.Hour), noon.Add(2 * time.Hour), noon.Add(3 * time.Hour), {}},
		[]time.Time{s.createdAt, s.dispatchedAt, s.deliveredAt, s.returnedAt, s.cancelledAt})
	require.Equal(t, noon.Add(time.Hour), at(t, cancelled).cancelledAt)
}

func TestAStepIsNeverBeforeTheOneBefore(t *testing.T) {
	s, _, err := at(t).become(dispatched, dhl, noon.Add(-10*time.Minute)) // by a replica whose clock is behind
	require.NoError(t, err)
	require.Equal(t, noon, s.dispatchedAt)
}

func TestARepetitionMustNameTheSameParcel(t *testing.T) {
	s, _, err := at(t).become(dispatched, dhl, noon)
	require.NoError(t, err)
	require.Equal(t, dhl, s.parcel)
	for _, same := range []parcel{dhl, {}, {carrier: "DHL"}, {trackingNumber: "42"}} {
		_, changed, err := s.become(dispatched, same, noon)
		require.NoError(t, err)
		require.False(t, changed)
	}
	for _, other := range []parcel{{"UPS", "42"}, {"DHL", "43"}, {carrier: "UPS"}} {
		for _, next := range []status{dispatched, delivered} {
			_, _, err := s.become(next, other, noon)
			require.ErrorIs(t, err, ErrIllegalTransition)
		}
	}
	unnamed := at(t, dispatched)
	_, _, err = unnamed.become(dispatched, dhl, noon)
	require.ErrorIs(t, err, ErrIllegalTransition, "everybody was told of a parcel without a number")
}

func TestWhatWasNotKnownAtDispatchIsFilledInAtDelivery(t *testing.T) {
	s, _, err := at(t).become(dispatched, parcel{carrier: "DHL"}, noon)
	require.NoError(t, err)
	s, changed, err := s.become(delivered, parcel{trackingNumber: "42"}, noon)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, dhl, s.parcel)
}
