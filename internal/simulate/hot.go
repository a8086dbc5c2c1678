package main

import "time"

// hotTopology has inventory on one shard, with two processes whose lanes all want the row. The other contexts have plenty.
func (l *laboratory) hotTopology(batch, lanes, buckets int) topology {
	t := topology{Name: "hot", Senders: 4096, Hot: 1, Buckets: buckets, Bus: busTopology{Broker: true, Async: true}}
	for context := range testpsp {
		t = t.with(context, func(h *hosting) {
			*h = hosting{Shards: 4, Replicas: 2, Cores: l.costs.Sizing.PodCores, DBCores: l.costs.Sizing.DBCores, Lanes: 4}
		})
	}
	return t.with(inventory, func(h *hosting) {
		h.Shards, h.Lanes, h.Batch, h.Cores, h.DBCores = 1, lanes, batch, 4*h.Cores, 4*h.DBCores
	})
}

const (
	hotRate    = 1000
	fewLanes   = 4
	manyLanes  = 16
	hotSeconds = 4
)

// hot shows what it costs that many orders want the same SKU.
func (l *laboratory) hot() (string, error) {
	t := newTable("orders with the SKU:", "jobs a transaction, at most:", "lanes:", "rows of stock:", "reserved, p50 ms:", "p99 ms:", "confirmed, p99 ms:",
		"the row is locked:", "waits for a row/s:", "ms each:", "jobs a commit:")
	for _, of := range []struct {
		share                 float64
		batch, lanes, buckets int
	}{
		{0, batchLimit, fewLanes, 1}, {.01, batchLimit, fewLanes, 1}, {.1, batchLimit, fewLanes, 1}, {.5, batchLimit, fewLanes, 1}, {1, batchLimit, fewLanes, 1},
		{1, batchLimit, fewLanes, 8}, {0, 1, manyLanes, 1}, {.1, 1, manyLanes, 1}, {.5, 1, manyLanes, 1}, {1, 1, manyLanes, 1}, {1, 1, manyLanes, 8}, {1, 1, manyLanes, 64},
	} {
		topology := l.hotTopology(of.batch, of.lanes, of.buckets)
		topology.Hot = of.share
		r, err := experiment{topology: topology, seed: l.seed, rate: hotRate, warm: 2 * time.Second, measure: hotSeconds * time.Second, drain: 5 * time.Second}.run(l.costs)
		if err != nil {
			return "", err
		}
		late := ""
		if r.Unended > 0 {
			late = " and growing"
		}
		t.row(percent(of.share), count(of.batch), count(2*of.lanes), count(of.buckets), ms(r.Reserve.P50)+late, ms(r.Reserve.P99)+late, ms(r.Confirm.P99)+late,
			percent(r.Hot.Held), number(r.Hot.Waits), ms(r.Hot.Waited), number(r.Lanes[inventory].Jobs))
	}
	t.say("%s orders/s; one shard of inventory, served by two processes; everything else has plenty. When every order has the SKU, this many orders/s are confirmed in time:", number(hotRate))
	limits, err := l.hotLimits()
	return t.String() + "\n" + limits, err
}

// hotLimits are the rates that a SKU in every order allows.
func (l *laboratory) hotLimits() (string, error) {
	t := newTable("jobs a transaction, at most:", "lanes:", "rows of stock:", "orders/s:", "jobs a commit there:", "the row is locked:")
	for _, of := range []struct{ batch, lanes, buckets int }{
		{1, manyLanes, 1}, {1, manyLanes, 8}, {batchLimit, fewLanes, 1}, {batchLimit, fewLanes, 8},
	} {
		inTime := func(r *result) bool { return r.Confirm.P99.Seconds()*1000 <= l.costs.Sizing.P99 }
		b, err := l.carries(l.hotTopology(of.batch, of.lanes, of.buckets), inTime)
		if err != nil {
			return "", err
		}
		if b.at == nil {
			t.row(count(of.batch), count(2*of.lanes), count(of.buckets), "fewer than "+count(leastRate), "", "")
			continue
		}
		t.row(count(of.batch), count(2*of.lanes), count(of.buckets), number(b.rate), number(b.at.Lanes[inventory].Jobs), percent(b.at.Hot.Held))
	}
	return t.String(), nil
}
