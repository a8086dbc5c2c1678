package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// record is one measurement: a line of results.jsonl.
type record struct {
	Run     string    `json:"run"` // when the benchmark began; all parts of one run can be compared
	Part    string    `json:"part"`
	Subject string    `json:"subject"` // what was measured, such as shop-sqlite or full_pipe
	Rep     int       `json:"rep,omitempty"`
	Clients int       `json:"clients,omitempty"`
	Stored  int       `json:"stored,omitempty"` // orders in the database before it
	Lines   int       `json:"lines,omitempty"`  // of an order
	Route   string    `json:"route,omitempty"`
	Bytes   int       `json:"bytes,omitempty"`  // of the route's answer
	Beside  string    `json:"beside,omitempty"` // the database of the shop that took turns with this
	At      time.Time `json:"at"`

	Figures map[string]float64 `json:"figures,omitempty"`
	Marks   []string           `json:"marks,omitempty"` // why it should not be relied on
	Notes   map[string]string  `json:"notes,omitempty"` // of the machine and the run
}

// The figures. "An order" is one that was confirmed; in reads it is a request.
const (
	perSecond = "per_s"
	p50       = "p50_ms" // from sending the POST to the answer that says confirmed
	p99       = "p99_ms"
	measured  = "measured"   // orders in the measured time
	failures  = "errors"     // over the whole load
	foreign   = "foreign_%"  // of the machine, used by others
	stolen    = "stolen_%"   // of the machine, taken by the hypervisor
	diskWait  = "diskwait_%" // of the machine, waiting for disks

	cpuProgram   = "cpu_program_ms" // an order, as are the following
	cpuPostgres  = "cpu_postgres_ms"
	cpuBeside    = "cpu_beside_" // and a number: other processes of a shop that is split, its broker first
	cpuGenerator = "cpu_generator_ms"
	walBytes     = "wal_bytes"
	syncs        = "syncs"
	writtenToDev = "written_bytes"
	statements   = "statements"
	commits      = "commits"
	roundTrips   = "round_trips"

	memory         = "rss_mib"      // greatest seen in the measured time
	memoryPeak     = "rss_peak_mib" // greatest since the program began
	memoryPostgres = "pss_postgres_mib"
	startup        = "startup_ms"
	idleCPU        = "idle_cpu_%" // of one core, as is the next
	idlePostgres   = "idle_cpu_postgres_%"
	storedBytes    = "stored_bytes"
)

// resultsFile is where they go.
const resultsFile = "results.jsonl"

// skippedMark begins the mark of what could not be measured.
const skippedMark = "SKIPPED"

// journal takes records.
type journal struct {
	file     io.Writer
	progress io.Writer
	run      string
}

// add writes a record, and a line of progress.
func (j journal) add(r record) error {
	r.Run, r.At = j.run, time.Now().UTC().Truncate(time.Second)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Fprintln(j.progress, r.line())
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// line is the record for people who watch.
func (r record) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-7s %-22s", time.Now().Format(time.TimeOnly), r.Part, r.Subject)
	if r.Route != "" {
		fmt.Fprintf(&b, " %s", r.Route)
	}
	for _, k := range []struct {
		name string
		n    int
	}{{"rep", r.Rep}, {"clients", r.Clients}, {"stored", r.Stored}, {"lines", r.Lines}} {
		if k.n > 0 {
			fmt.Fprintf(&b, " %s=%d", k.name, k.n)
		}
	}
	for _, name := range []string{perSecond, p50, p99, cpuProgram, cpuPostgres, cpuGenerator, walBytes, syncs, statements, roundTrips, memory, startup, idleCPU, foreign, failures} {
		if v, ok := r.Figures[name]; ok {
			fmt.Fprintf(&b, "  %s %s", name, number(v))
		}
	}
	if len(r.Marks) > 0 {
		fmt.Fprintf(&b, "  MARKED: %s", strings.Join(r.Marks, "; "))
	}
	return b.String()
}

// readRecords reads results.jsonl; none when there is no such file.
func readRecords(path string) ([]record, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all []record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}
