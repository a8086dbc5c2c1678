package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// The contexts that write on the way of an order. The test provider has books of its own and counts as one.
const (
	orders = iota
	inventory
	payments
	shipping
	testpsp
	contextCount
)

var contextNames = [contextCount]string{"orders", "inventory", "payments", "shipping", "testpsp"}

// The networks between a process and its database, as costs.Trip names them.
const (
	loopback = "loopback"
	zone     = "zone"
)

// topology is how shop is spread over machines. Read from JSON, a zero number takes its default.
type topology struct {
	Name string `json:"name"`

	// Machine: everything, the clients included, shares the cores of one machine; 0: every process and every server has cores of its own.
	Machine int `json:"machine_cores"`
	// Together: every process hosts all contexts, and there is one PostgreSQL server unless Servers says otherwise.
	Together bool `json:"together"`
	// Servers: each context has a PostgreSQL server of its own. Contexts that are not together always have.
	Servers bool `json:"server_per_context"`

	Process  hosting            `json:"process"`  // of a process with all contexts
	Contexts map[string]hosting `json:"contexts"` // of those with one; and for all contexts, Shards, Lanes and DBCores
	Bus      busTopology        `json:"bus"`
	TestPSP  bool               `json:"test_provider"` // payments asks the built-in test provider instead of one with a latency
	Senders  int                `json:"senders"`       // calls to the provider at the same time, by each process (64)

	Hot     float64 `json:"hot"`     // share of the orders that have a line of the same SKU
	Buckets int     `json:"buckets"` // rows over which the stock of that SKU is spread (1)
}

// hosting is how a context, or all of them, is hosted.
type hosting struct {
	Shards   int `json:"shards"`         // databases (1)
	Replicas int `json:"replicas"`       // processes for each shard (1)
	Cores    int `json:"cores"`          // of each process
	Lanes    int `json:"lanes"`          // connections of a process that write to the shard (1)
	Batch    int `json:"batch"`          // jobs that share a transaction at most (128)
	DBCores  int `json:"database_cores"` // of the shard's server; of the one server of all, where there is only one
}

// busTopology is what carries messages. Without a broker a message stays in the process of the relay that sends it.
type busTopology struct {
	Broker     bool `json:"broker"`
	Partitions int  `json:"partitions"` // of a topic, for each process that consumes it (1)
	Async      bool `json:"async"`      // a relay does not wait for the broker's acknowledgement before it publishes the next message
}

// readTopology reads one from JSON.
func readTopology(file string, c *costs) (topology, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return topology{}, err
	}
	var t topology
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("%s: %w", file, err)
	}
	if t, err = t.complete(c); err != nil {
		return t, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// complete fills in the defaults. Errors: what cannot be built.
func (t topology) complete(c *costs) (topology, error) {
	t.Senders = cmp.Or(t.Senders, 64)
	t.Buckets = cmp.Or(t.Buckets, 1)
	t.Bus.Partitions = cmp.Or(t.Bus.Partitions, 1)
	t.Process = t.Process.complete(c)
	contexts := map[string]hosting{}
	for name, h := range t.Contexts {
		if !isContext(name) {
			return t, fmt.Errorf("there is no context %q", name)
		}
		contexts[name] = h
	}
	for _, name := range contextNames {
		h := contexts[name].complete(c)
		if t.Together && (h.Shards > 1 || t.Process.Shards > 1) {
			return t, errors.New("a process that hosts all contexts has one shard of each")
		}
		contexts[name] = h
	}
	t.Contexts = contexts
	if !t.Together && !t.Bus.Broker {
		return t, errors.New("contexts in processes of their own need a broker")
	}
	return t, nil
}

func (h hosting) complete(c *costs) hosting {
	h.Shards = cmp.Or(h.Shards, 1)
	h.Replicas = cmp.Or(h.Replicas, 1)
	h.Cores = cmp.Or(h.Cores, c.Sizing.PodCores)
	h.Lanes = cmp.Or(h.Lanes, 1)
	h.Batch = cmp.Or(h.Batch, batchLimit)
	h.DBCores = cmp.Or(h.DBCores, c.Sizing.DBCores)
	return h
}

func isContext(name string) bool {
	for _, known := range contextNames {
		if name == known {
			return true
		}
	}
	return false
}

// of is how a context is hosted.
func (t topology) of(context int) hosting {
	h := t.Contexts[contextNames[context]]
	if context == testpsp {
		h = t.Contexts[contextNames[payments]]
	}
	if t.Together {
		h.Shards, h.Replicas, h.Cores = 1, t.Process.Replicas, t.Process.Cores
		if !t.Servers {
			h.DBCores = t.Process.DBCores
		}
	}
	return h
}

// with is the topology with one context hosted otherwise.
func (t topology) with(context int, change func(*hosting)) topology {
	contexts := map[string]hosting{}
	for name, h := range t.Contexts {
		contexts[name] = h
	}
	h := contexts[contextNames[context]]
	change(&h)
	contexts[contextNames[context]] = h
	t.Contexts = contexts
	return t
}

// network is the one between processes and databases.
func (t topology) network() string {
	if t.Machine > 0 {
		return loopback
	}
	return zone
}
