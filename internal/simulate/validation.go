package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// measurement is what was measured of a closed loop of clients on one machine, each of whom waits for the outcome of an order before it places the next:
// the medians of the repetitions.
type measurement struct {
	clients int
	lines   int
	figures map[string]float64
}

// The figures of results.jsonl that the model predicts, under the names that internal/bench gives them.
const (
	figureRate     = "per_s"
	figureP50      = "p50_ms"
	figureP99      = "p99_ms"
	figureProgram  = "cpu_program_ms"
	figurePostgres = "cpu_postgres_ms"
	figureCommits  = "commits"
	figureSyncs    = "syncs"
	figureTrips    = "round_trips"
	figureWAL      = "wal_bytes"
)

// readMeasurements reads what the last run of the benchmark said of the flow of orders on PostgreSQL. None when there is no such file.
func readMeasurements(file string) ([]measurement, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	type record struct {
		Run, Part, Subject string
		Clients, Lines     int
		Figures            map[string]float64
	}
	runs, last := map[string][]record{}, ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if r.Part == "flow" && r.Subject == "shop-postgres" && r.Clients > 0 {
			runs[r.Run] = append(runs[r.Run], r)
			last = max(last, r.Run)
		}
	}
	repetitions := map[int]map[string][]float64{}
	shape := map[int]int{}
	for _, r := range runs[last] {
		if repetitions[r.Clients] == nil {
			repetitions[r.Clients] = map[string][]float64{}
		}
		shape[r.Clients] = r.Lines
		for name, v := range r.Figures {
			repetitions[r.Clients][name] = append(repetitions[r.Clients][name], v)
		}
	}
	var all []measurement
	for clients, figures := range repetitions {
		m := measurement{clients: clients, lines: shape[clients], figures: map[string]float64{}}
		for name, values := range figures {
			slices.Sort(values)
			m.figures[name] = (values[(len(values)-1)/2] + values[len(values)/2]) / 2
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b measurement) int { return a.clients - b.clients })
	return all, lines.Err()
}

// benchClients are the numbers of clients at which the flow is measured; benchLines the lines of its orders.
var benchClients = []int{1, 8, 32, 128}

const (
	benchCores = 2
	benchLines = 2
)

// predict is what the model says of the machine and the load of the benchmark.
func (l *laboratory) predict(clients, lines int) (*result, error) {
	e := experiment{
		topology: topology{Name: "one machine", Machine: benchCores, Together: true, TestPSP: true},
		seed:     l.seed, clients: clients, lines: lines, warm: 2 * time.Second, measure: 10 * time.Second, drain: 10 * time.Second,
	}
	return e.run(l.costs)
}

// validation sets what the model says of the machine that was measured beside what was measured there.
func (l *laboratory) validation() (string, error) {
	measured := l.measured
	if len(measured) == 0 {
		for _, n := range benchClients {
			measured = append(measured, measurement{clients: n, lines: benchLines})
		}
	}
	speed := newTable("clients:", "orders/s, model:", "measured:", "p50 ms, model:", "measured:", "p99 ms, model:", "measured:")
	order := newTable("clients:", "program ms, model:", "measured:", "PostgreSQL ms, model:", "measured:", "commits, model:", "measured:",
		"flushes, model:", "measured:", "round trips, model:", "measured:", "WAL bytes, model:", "measured:")
	for _, m := range measured {
		r, err := l.predict(m.clients, m.lines)
		if err != nil {
			return "", err
		}
		said := func(name string) string {
			if v, known := m.figures[name]; known {
				return number(v)
			}
			return "–"
		}
		a := r.Each
		speed.row(count(m.clients), number(r.Rate), said(figureRate), ms(r.Answer.P50), said(figureP50), ms(r.Answer.P99), said(figureP99))
		order.row(count(m.clients), ms(a.program), said(figureProgram), ms(a.postgres), said(figurePostgres), number(a.commits), said(figureCommits),
			number(a.flushes), said(figureSyncs), number(a.trips), said(figureTrips), number(a.wal), said(figureWAL))
	}
	if len(l.measured) == 0 {
		order.say("There is no `docs/performance/results.jsonl` to compare with yet: `go run ./internal/bench -parts flow` makes it.")
	}
	return speed.String() + "\nAn order costs:\n\n" + order.String(), nil
}
