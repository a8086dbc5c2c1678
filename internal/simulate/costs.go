package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// costs are the inputs of the model.
type costs struct {
	Basis   string `json:"basis"`   // how the costs were found: "measured" or "estimated"
	Machine string `json:"machine"` // on what

	HTTP struct {
		Place  micros `json:"place_go_us"` // of a POST, beside its job: parsing, prices, answer
		Client micros `json:"client_us"`   // of the load generator, where it shares the machine
	} `json:"http"`

	Transaction struct { // of a transaction whatever is in it: BEGIN and COMMIT
		Go  micros  `json:"go_us"`
		PG  micros  `json:"pg_us"`
		WAL float64 `json:"wal_bytes"`
	} `json:"transaction"`
	Statement struct { // of a statement whatever rows are in it
		Go micros `json:"go_us"`
		PG micros `json:"pg_us"`
	} `json:"statement"`
	Steps map[string]*stepCost `json:"steps"`

	Relay struct { // of a message between the outbox and the transport
		Go        micros `json:"go_us"`
		PG        micros `json:"pg_us"`
		HandsOver bool   `json:"hands_over"` // what the leader's process commits goes on at once, without being read, if nothing else is unread
	} `json:"relay"`
	Consume struct { // of a message between the transport and its job
		Go micros `json:"go_us"`
	} `json:"consume"`

	Flush    spread            `json:"flush"` // of the write-ahead log
	Disk     float64           `json:"disk_mib_per_second"`
	Trip     map[string]micros `json:"round_trip_us"` // by the network: loopback, zone
	Provider spread            `json:"provider"`      // from the question to the payment provider to its answer

	Broker  brokerCosts  `json:"broker"`
	Orders  orderShape   `json:"orders"`
	Storage storageCosts `json:"storage"`
	Sizing  sizingRules  `json:"sizing"`
	Prices  prices       `json:"prices"`
}

// stepCost is what a step adds to the transaction that it shares. Its statements have names: jobs that share a transaction share those of
// the same name.
type stepCost struct {
	Go     micros   `json:"go_us"`
	PG     micros   `json:"pg_us"`
	LinePG micros   `json:"line_pg_us,omitempty"` // more, for each line of the order
	WAL    float64  `json:"wal_bytes"`
	Asks   []string `json:"asks"`   // statements whose answer is needed: each is a round trip
	Writes []string `json:"writes"` // those that travel with the COMMIT

	asks, statements uint64 // the same as sets
}

type brokerCosts struct {
	Ack       spread  `json:"ack"`         // from publishing to the acknowledgement that the message is durable
	Delivery  micros  `json:"delivery_us"` // from then to the consumer
	Message   micros  `json:"message_us"`  // that a partition's leader is busy with a message
	Bytes     float64 `json:"message_bytes"`
	Replicas  int     `json:"replicas"`
	NodeMiB   float64 `json:"node_mib_per_second"` // that a node takes in, copies for others included
	NodeCores int     `json:"node_cores"`
}

type orderShape struct {
	Lines float64 `json:"lines_mean"` // of an order, each with another SKU
	SKUs  int     `json:"skus"`       // that sell, each as often as the other
}

// storageCosts are bytes on a database's disk, indexes included.
type storageCosts struct {
	Order  map[string]float64 `json:"bytes_per_order"`        // that stay, by the context
	Recent map[string]float64 `json:"bytes_per_order_7_days"` // that are kept for seven days: inbox, Idempotency-Keys
	Days   float64            `json:"days"`                   // that an order stays in its database; then it goes to the archive
	Spare  float64            `json:"spare"`                  // what a disk is larger than its data, as a factor
	Disk   float64            `json:"disk_gib"`               // of the largest disk that one wants to restore
}

type sizingRules struct {
	Utilisation float64 `json:"utilisation"`   // that no resource may exceed
	P99         float64 `json:"p99_ms"`        // that no more than one order in a hundred may take to be confirmed
	Average     float64 `json:"average_share"` // of the peak: the mean load of a year
	PodCores    int     `json:"pod_cores"`
	DBCores     int     `json:"database_cores"`
	NodeCores   int     `json:"node_cores"`  // of a Kubernetes node
	NodeUsable  float64 `json:"node_usable"` // share of a node that pods can have
	Standbys    int     `json:"standbys"`    // copies of each database on another machine
	GiBPerCore  float64 `json:"gib_per_core"`
	DiskPerCore float64 `json:"disk_gib_per_core"` // of a database: more, and the memory that comes with a core does not keep up
}

// prices are parameters, in a currency of one's choice.
type prices struct {
	Unit     string  `json:"unit"`
	CoreHour float64 `json:"core_hour"`      // of a virtual core with its memory
	GiBMonth float64 `json:"disk_gib_month"` // of a disk
	GiBMoved float64 `json:"gib_between_zones"`
	Archive  float64 `json:"archive_gib_month"` // of an object store
}

// readCosts reads and checks the inputs.
func readCosts(file string) (*costs, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, err := parseCosts(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func parseCosts(b []byte) (*costs, error) {
	c := new(costs)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	return c, c.prepare()
}

// prepare checks the costs and numbers the statements.
func (c *costs) prepare() error {
	numbers := map[string]int{}
	for id := range stepCount {
		name := steps[id].name
		s := c.Steps[name]
		if s == nil {
			return fmt.Errorf("steps: %q is missing", name)
		}
		if s.Go < 0 || s.PG < 0 || s.LinePG < 0 || s.WAL < 0 {
			return fmt.Errorf("steps: %q: expected costs of 0 or more", name)
		}
		set := func(statements []string) (set uint64) {
			for _, statement := range statements {
				full := contextNames[steps[id].context] + " " + statement
				if _, known := numbers[full]; !known {
					numbers[full] = len(numbers)
				}
				set |= 1 << numbers[full]
			}
			return set
		}
		s.asks = set(s.Asks)
		s.statements = s.asks | set(s.Writes)
	}
	switch {
	case len(numbers) > 64:
		return errors.New("steps: more than 64 different statements")
	case len(c.Steps) > int(stepCount):
		return errors.New("steps: there is one that the way of an order does not have")
	case c.Orders.Lines < 1 || c.Orders.SKUs < 1:
		return errors.New("orders: expected at least one line and one SKU")
	case c.Sizing.Utilisation <= 0 || c.Sizing.Utilisation >= 1 || c.Sizing.P99 <= 0:
		return errors.New("sizing: expected a utilisation between 0 and 1, and a p99_ms")
	case c.Sizing.PodCores < 1 || c.Sizing.DBCores < 1 || c.Sizing.NodeCores < 1 || c.Broker.Replicas < 1 || c.Broker.NodeCores < 1:
		return errors.New("sizing, broker: expected cores and replicas")
	case c.Disk <= 0 || c.Broker.NodeMiB <= 0 || c.Sizing.NodeUsable <= 0 || c.Sizing.DiskPerCore <= 0 || c.Storage.Disk <= 0:
		return errors.New("expected disk_mib_per_second, broker.node_mib_per_second, storage.disk_gib, sizing.node_usable and sizing.disk_gib_per_core")
	}
	for _, network := range []string{loopback, zone} {
		if _, known := c.Trip[network]; !known {
			return fmt.Errorf("round_trip_us: %q is missing", network)
		}
	}
	return errors.Join(c.Flush.check("flush"), c.Provider.check("provider"), c.Broker.Ack.check("broker.ack"))
}

// of is the cost of a step.
func (c *costs) of(id step) *stepCost { return c.Steps[steps[id].name] }
