// Command dashboards writes the Grafana dashboards of shop to deploy/grafana/dashboards, a file each. It refuses an expression that names a metric, a label or a value
// that the program does not have: see internal/platform/metrics.
//
// A dashboard is a list of rows of panels in a file of its own here: overview.go, orders.go, …. Change that, then run `go generate ./deploy/dashboards`; a test fails
// until the files are those that this writes. Its tests also hold deploy/prometheus/alerts.yaml and docs/runbooks against the program.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . ../grafana/dashboards

// dashboards are all, in the order of their reading: what customers notice first, then what may be the cause.
var dashboards = []dashboard{overview, orders, messaging, databases, edge, runtime}

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("usage: dashboards DIRECTORY"))
	}
	files, err := rendered()
	if err != nil {
		fail(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), content, 0o644); err != nil { //nolint:gosec // for everybody to read, as all of the repository
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "dashboards:", err)
	os.Exit(1)
}

// rendered are the files by their names. Errors: the first expression that cannot be.
func rendered() (map[string][]byte, error) {
	k, err := program()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, d := range dashboards {
		for _, r := range d.rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					if err := k.check(here(q.expression)); err != nil {
						return nil, fmt.Errorf("%s, %s: %w", d.title, p.title, err)
					}
				}
			}
		}
		content, err := json.MarshalIndent(d.model(), "", "  ")
		if err != nil {
			return nil, err
		}
		files[d.uid+".json"] = append(content, '\n')
	}
	return files, nil
}
