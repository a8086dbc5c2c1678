package orders

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/shipping/shippingapi"
)

// examples are stored events with nothing left empty.
var examples = []event{
	&placed{CustomerID: "cus_1", Items: []Item{{"TEA", "A tea", 2, eur(750), eur(1500)}}, Total: eur(1500), PaymentMethod: "pm_test_ok",
		Address: shippingapi.Address{Name: "Ann", Line1: "1 High Street", Line2: "Flat 2", City: "London", Region: "Greater London", PostalCode: "N1", Country: "GB", Phone: "1"},
		Email:   "ann@example.org", Metadata: map[string]string{"basket": "4711"}},
	&stockReserved{ExpiresAt: noon},
	&stockRefused{Shortages: []inventoryapi.Shortage{{SKU: "TEA", Requested: 2, Available: 1}}},
	&paymentCaptured{"pay_1", 1500},
	&paymentDeclined{"pay_1", "card_declined"},
	&paymentRefunded{"ref_1", 500, 1500},
	&confirmed{},
	&shipmentCreated{"shp_1"},
	&shipped{"shp_1", "parcelforce", "PF1"},
	&delivered{"shp_1"},
	&stepRetried{takePayment, byOperator, "once more"},
	&cancellationRequested{CustomerRequest, "changed my mind", byCustomer},
	&cancellationRefused{"the shipment has left"},
	&compensationStarted{takePayment},
	&compensationCompleted{takePayment, 1500, byOperator, "by hand"},
	&compensationRefused{takePayment, "charge_disputed"},
	&cancelled{CustomerRequest, "changed my mind"},
}

const storedEvents = "testdata/events.json"

// The events of an order are read as long as there are orders, so their names and fields stay for ever.
func TestAStoredEventStaysReadable(t *testing.T) {
	now := map[string]json.RawMessage{}
	for _, e := range examples {
		if _, empty := e.(*confirmed); !empty {
			v := reflect.ValueOf(e).Elem()
			for i := range v.NumField() {
				require.False(t, v.Field(i).IsZero(), "%T.%s is empty", e, v.Type().Field(i).Name)
			}
		}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		now[nameOf(e)] = data
	}
	require.Len(t, now, len(eventTypes), "every event needs an example")
	content, err := os.ReadFile(storedEvents)
	require.NoError(t, err)
	var then map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(content, &then))
	require.Len(t, then, len(now))
	for _, e := range examples {
		name := nameOf(e)
		require.Equal(t, string(then[name]), string(now[name]), name)
		read, err := decodeEvent(name, then[name])
		require.NoError(t, err)
		require.Equal(t, e, read, name)
	}
}

func TestAnEventThatNobodyKnowsIsAnError(t *testing.T) {
	_, err := decodeEvent("order.eaten", []byte(`{}`))
	require.ErrorContains(t, err, "order.eaten")
	_, err = decodeEvent("order.placed", []byte(`{"total":7}`))
	require.ErrorContains(t, err, "order.placed")
	_, err = decodeEvent("compensation.started", []byte(`{"step":"wrap_gift"}`))
	require.ErrorContains(t, err, "wrap_gift")
}

func TestAStreamIsReplayedWithoutGapsOnly(t *testing.T) {
	row := func(stream string, version int64, e event) record {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		return record{stream, version, nameOf(e), data, 1}
	}
	orders, err := replay([]record{row("ord_a", 1, examples[0]), row("ord_a", 2, &stockReserved{}), row("ord_b", 1, examples[0])})
	require.NoError(t, err)
	require.Len(t, orders, 2)
	require.EqualValues(t, 2, orders[0].Version)
	require.Equal(t, started, orders[0].Steps[takePayment].State)
	for name, rows := range map[string][]record{
		"begins late":     {row("ord_a", 2, &stockReserved{})},
		"has a gap":       {row("ord_a", 1, examples[0]), row("ord_a", 3, &confirmed{})},
		"says it twice":   {row("ord_a", 1, examples[0]), row("ord_a", 1, examples[0])},
		"goes on another": {row("ord_a", 1, examples[0]), row("ord_b", 2, &stockReserved{})},
	} {
		_, err := replay(rows)
		require.Error(t, err, name)
	}
}

func TestOnlyTheStatesOfThePlanFollowEachOther(t *testing.T) {
	legal := map[string]bool{"pending confirmed": true, "pending cancelled": true, "confirmed shipped": true, "confirmed cancelled": true, "shipped delivered": true}
	all := []Status{Pending, Confirmed, Shipped, Delivered, Cancelled}
	for _, from := range all {
		for _, to := range all {
			require.Equal(t, legal[fmt.Sprintf("%s %s", from, to)], Order{Status: from}.legal(to), "%s → %s", from, to)
		}
	}
}

func TestAnOrderIsAValue(t *testing.T) {
	before := Order{ID: "ord_a"}.with(examples[0], noon)
	after := before.with(&stockReserved{}, noon.Add(time.Second))
	require.Equal(t, started, before.Steps[reserveStock].State)
	require.Equal(t, completed, after.Steps[reserveStock].State)
	require.EqualValues(t, 1, before.Version)
	require.Equal(t, noon, before.UpdatedAt)
}

func TestTheMemoryOfOrdersIsBounded(t *testing.T) {
	c := newCache()
	underWay := Order{}.with(&placed{}, noon)
	for i := range cacheSize + 100 {
		underWay.ID = fmt.Sprint(i)
		c.put(new(underWay))
	}
	require.Equal(t, cacheSize, len(c.orders)) //nolint:testifylint // Len would print them all
	require.True(t, c.has(underWay.ID))
	underWay.UpdatedAt = noon.Add(time.Hour) // a change of one that is kept pushes no other out
	c.put(new(underWay))
	require.Equal(t, cacheSize, len(c.orders)) //nolint:testifylint // Len would print them all
}

func TestAnOrderLeavesTheMemoryWithTheEndOfItsProcess(t *testing.T) {
	c := newCache()
	o := Order{ID: "ord_a"}.with(&placed{}, noon).with(&stockReserved{}, noon).with(&paymentCaptured{"pay_1", 1}, noon).with(&confirmed{}, noon)
	c.put(&o)
	require.True(t, c.has("ord_a"))
	c.put(new(o.with(&shipmentCreated{"shp_1"}, noon)))
	require.False(t, c.has("ord_a"))
	c.put(&o)
	c.put(new(o.with(&cancelled{}, noon)))
	require.False(t, c.has("ord_a"))
}

func TestALargeOrderIsNotKeptInMemory(t *testing.T) {
	c := newCache()
	for name, p := range map[string]placed{
		"many items":    {Items: make([]Item, maxKeptItems+1)},
		"much metadata": {Metadata: map[string]string{"k": string(make([]byte, maxKeptMetadata))}},
	} {
		c.put(new(Order{ID: name}.with(&p, noon)))
		require.False(t, c.has(name), name)
	}
	c.put(new(Order{ID: "enough"}.with(&placed{Items: make([]Item, maxKeptItems)}, noon)))
	require.True(t, c.has("enough"))
}
