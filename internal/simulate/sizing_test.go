package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPlanKeepsTheRuleForSizes(t *testing.T) {
	l := testLaboratory(t)
	small, err := l.plan(10)
	require.NoError(t, err)
	require.True(t, small.Together, "ten orders a second need nothing special")
	require.True(t, l.fits(small.result))

	apart, err := l.apart(400)
	require.NoError(t, err)
	require.True(t, l.fits(apart.result))
	require.InEpsilon(t, 400, apart.result.Rate, 0.05)
	again, err := l.apart(400)
	require.NoError(t, err)
	require.Equal(t, apart, again, "the same seed gives the same plan")
}

func TestDisksThatWouldBeTooLargeAreSeveral(t *testing.T) {
	l := testLaboratory(t)
	l.costs.Storage.Days = 3650
	kept := l.keptGiB(100)
	require.Greater(t, kept[orders], l.costs.Storage.Disk)
	p, why, err := l.together(100)
	require.NoError(t, err)
	require.Nil(t, p)
	require.Contains(t, why, "do not fit on one disk")
	p, err = l.apart(100)
	require.NoError(t, err)
	require.True(t, p.byDisk[orders])
	require.GreaterOrEqual(t, float64(p.of(orders).Shards)*l.costs.Storage.Disk, kept[orders])
}

func TestATopologyCarriesLessThanTheRateAtWhichItIsTooBusy(t *testing.T) {
	l := testLaboratory(t)
	const few = 8 // calls to the provider at a time
	b, err := l.carries(topology{Together: true, Senders: few}, l.fits)
	require.NoError(t, err)
	require.True(t, l.fits(b.at))
	require.False(t, l.fits(b.above))
	u := b.above.busiest()
	require.Equal(t, "senders", u.Kind)
	require.InEpsilon(t, few*l.costs.Sizing.Utilisation/l.costs.Provider.mean().Seconds(), b.rate, 0.1)
}

func TestMoneyIsWhatTheMachinesCost(t *testing.T) {
	l := testLaboratory(t)
	p, err := l.plan(10)
	require.NoError(t, err)
	m := l.machinesOf(p)
	require.Equal(t, 2, m.nodes, "one may fail")
	require.Equal(t, 2, m.databases, "one and its standby")
	require.Zero(t, m.brokers)
	require.InEpsilon(t, 2*total(l.keptGiB(10)), m.diskGiB, 1e-9)
	day := 10 * l.costs.Sizing.Average * 86400
	s := l.costs.Storage
	require.InEpsilon(t, day*(s.Order["orders"]*s.Days+7*s.Recent["orders"])*s.Spare/gibibyte, l.keptGiB(10)[orders], 1e-9)
	require.InEpsilon(t, 10*(7+3*l.costs.Sizing.Average), l.messages(10), 1e-9, "seven messages to confirm an order and prepare its shipment, three for its parcel")
}
