package orders

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/payments/paymentsapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/shipping/shippingapi"
)

// storm is a transport in bad weather: every message comes three times, and messages of different keys overtake each other.
type storm struct {
	*bus.Memory
	mu      sync.Mutex
	fresh   []parcel // to be sent for the first time
	repeats []parcel
	blowing bool // somebody is going to release them
}

type parcel struct {
	topic string
	msg   *message.Message
	done  func(error)
}

// Send is what relays call.
func (s *storm) Send(topic string, msg *message.Message, done func(error)) {
	var left atomic.Int64
	left.Store(3)
	p := parcel{topic, msg, func(err error) {
		if n := left.Add(-1); n == 0 || err != nil && left.Swap(-10) > 0 {
			done(err)
		}
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = append(s.fresh, p)
	s.blow()
}

// blow has what is held released soon. s.mu is held.
func (s *storm) blow() {
	if !s.blowing {
		s.blowing = true
		time.AfterFunc(2*time.Millisecond, s.release)
	}
}

func (s *storm) release() {
	s.mu.Lock()
	fresh, repeats := s.fresh, s.repeats
	s.fresh, s.repeats = nil, append(slices.Clone(fresh), fresh...)
	s.mu.Unlock()
	rand.Shuffle(len(repeats), func(i, j int) { repeats[i], repeats[j] = repeats[j], repeats[i] })
	for _, p := range append(shuffledKeys(fresh), repeats...) {
		s.Memory.Send(p.topic, p.msg, p.done)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blowing = false // not before: two gusts at once would mix the messages of one key
	if len(s.fresh)+len(s.repeats) > 0 {
		s.blow()
	}
}

// shuffledKeys mixes parcels, and keeps the order of those with the same topic and key.
func shuffledKeys(in []parcel) []parcel {
	queues := map[string][]parcel{}
	turns := make([]string, len(in))
	for i, p := range in {
		turns[i] = p.topic + " " + p.msg.Metadata.Get("ce_subject")
		queues[turns[i]] = append(queues[turns[i]], p)
	}
	rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	out := make([]parcel, len(in))
	for i, key := range turns {
		out[i], queues[key] = queues[key][0], queues[key][1:]
	}
	return out
}

// fateOf is a number below n that an order is born with.
func fateOf(id string, n int) int { return int(id[len(id)-1]+id[len(id)-2]) % n }

func TestMessagesThatComeThriceAndOvertakeEachOtherChangeNothing(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := openShopOn(t, url, &storm{Memory: bus.NewMemory()})
		for _, n := range []*neighbour{s.inventory.neighbour, s.payments.neighbour, s.shipping.neighbour} {
			n.times = 3 // and whoever is asked once answers thrice
		}
		liveByFate(s)
		ids := s.placeMany(60, func(i int, id string) {
			if i%3 == 0 {
				status := s.cancel(id).status
				require.Contains(t, []int{http.StatusAccepted, http.StatusConflict}, status)
			}
		})
		s.sound()
		ends := map[string]int{}
		for _, id := range ids {
			ends[s.read(id).Status]++
			requireOnce(t, s, id)
		}
		require.GreaterOrEqual(t, len(ends), 3, "%v", ends) // of confirmed, shipped, delivered, cancelled; chance may leave one out
		require.Empty(t, ends["pending"])
	})
}

// liveByFate makes the neighbours refuse some orders, decline some, and send and deliver some.
func liveByFate(s *shop) {
	instead(s.inventory.neighbour, func(c inventoryapi.ReserveStock) []bus.Body {
		if fateOf(c.Reference, 7) == 0 {
			return s.inventory.refuse(c)
		}
		return s.inventory.become(c.Reference, "held", inventoryapi.StockReserved{Reference: c.Reference, ExpiresAt: noon})
	})
	instead(s.payments.neighbour, func(c paymentsapi.TakePayment) []bus.Body {
		if fateOf(c.Reference, 7) == 1 {
			return s.payments.decline(c)
		}
		return s.payments.capture(c)
	})
	instead(s.shipping.neighbour, func(c shippingapi.CreateShipment) []bus.Body {
		events := s.shipping.create(c)
		sh := s.shipping.shipments[c.Reference]
		if fate := fateOf(c.Reference, 7); fate < 4 && sh.Status != "cancelled" {
			events = append(events, dispatched(c.Reference))
			if sh.Status = "dispatched"; fate == 3 {
				events = append(events, shippingapi.ShipmentDelivered{Reference: c.Reference, ShipmentID: sh.ID})
				sh.Status = "delivered"
			}
			s.shipping.shipments[c.Reference] = sh
		}
		return events
	})
}

// requireOnce requires that each command about an order was sent once, those of the way back in reverse, and each event told once.
func requireOnce(t *testing.T, s *shop, id string) {
	t.Helper()
	const whole = "ReserveStock TakePayment CreateShipment CancelShipment CancelPayment ReleaseStock"
	answered, unanswered := s.heard.about(id)
	for _, e := range s.history(id) {
		if i := slices.Index(answered, "CancelShipment"); e == "cancellation.refused" && i >= 0 && slices.Contains(answered[i+1:], "CancelShipment") {
			answered = slices.Delete(answered, i, i+1) // the customer had to ask again
		}
	}
	require.Equal(t, strings.Join(answered, " "), strings.Join(intersection(strings.Fields(whole), answered), " "), "order %s", id)
	require.Equal(t, strings.Join(unanswered, " "), strings.Join(intersection([]string{"CommitReservation", "ShipStock"}, unanswered), " "), "order %s", id)
	told := s.listener.about(id)
	require.Equal(t, strings.Join(told, " "), strings.Join(intersection([]string{"placed", "confirmed", "shipped", "delivered", "cancelled"}, told), " "), "order %s", id)
	require.NotEmpty(t, told)
}

// intersection are the elements of a that are in b.
func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
}
