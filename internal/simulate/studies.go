package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// laboratory runs the studies. What one finds another may use.
type laboratory struct {
	costs    *costs
	seed     uint64
	measured []measurement
	digest   string // of the file of costs
	progress io.Writer

	plans map[float64]*plan
}

// study answers one question with a table, or several.
type study struct {
	name string
	run  func(*laboratory) (string, error)
}

// studies are all there are; the document has a place for each.
var studies = []study{
	{"inputs", (*laboratory).inputs},
	{"costs", (*laboratory).costsOfAnOrder},
	{"validation", (*laboratory).validation},
	{"ladder", (*laboratory).ladder},
	{"sizes", (*laboratory).sizes},
	{"busiest", (*laboratory).busiest},
	{"bus", (*laboratory).bus},
	{"storage", (*laboratory).storage},
	{"money", (*laboratory).money},
	{"hot", (*laboratory).hot},
	{"failure", (*laboratory).failure},
}

// choose finds studies by name; all when there are none.
func choose(names string) ([]study, error) {
	if names == "" {
		return studies, nil
	}
	var chosen []study
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(studies, func(s study) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no study %q", name)
		}
		chosen = append(chosen, studies[i])
	}
	return chosen, nil
}

// tables runs studies and returns what they say, by name.
func (l *laboratory) tables(chosen []study) (map[string]string, error) {
	said := map[string]string{}
	for _, s := range chosen {
		began := time.Now()
		text, err := s.run(l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		said[s.name] = text
		fmt.Fprintf(l.progress, "%-10s %.1f s\n", s.name, time.Since(began).Seconds())
	}
	return said, nil
}

// inputs says what the other tables rest on.
func (l *laboratory) inputs() (string, error) {
	c := l.costs
	t := newTable("", "")
	t.row("costs of the steps", fmt.Sprintf("**%s**, on %s", c.Basis, c.Machine))
	t.row("file", "`docs/performance/costs.json`, sha256 `"+l.digest+"`")
	t.row("flush of the write-ahead log", fmt.Sprintf("median %s ms, p99 %s ms", number(float64(c.Flush.Median)/1000), number(float64(c.Flush.P99)/1000)))
	t.row("payment provider", fmt.Sprintf("median %s ms, p99 %s ms", number(float64(c.Provider.Median)/1000), number(float64(c.Provider.P99)/1000)))
	t.row("round trip between process and database", fmt.Sprintf("%s ms in a zone, %s ms on one machine", number(float64(c.Trip[zone])/1000), number(float64(c.Trip[loopback])/1000)))
	t.row("broker, from publishing to durable", fmt.Sprintf("median %s ms, p99 %s ms", number(float64(c.Broker.Ack.Median)/1000), number(float64(c.Broker.Ack.P99)/1000)))
	t.row("an order", fmt.Sprintf("%s lines on average, of %s SKUs that sell alike", number(c.Orders.Lines), count(c.Orders.SKUs)))
	t.row("rule for sizes", fmt.Sprintf("confirmed in %s ms at p99, no resource busier than %s", number(c.Sizing.P99), percent(c.Sizing.Utilisation)))
	t.row("mean load of a year", percent(c.Sizing.Average)+" of the peak")
	t.row("seed", strconv.FormatUint(l.seed, 10))
	return t.String(), nil
}
