package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/metrics"
)

const committed = "../grafana/dashboards"

func TestTheDashboardsAreThoseThatAreWrittenHere(t *testing.T) {
	files, err := rendered()
	require.NoError(t, err)
	there, err := filepath.Glob(filepath.Join(committed, "*"))
	require.NoError(t, err)
	require.Len(t, there, len(files))
	for name, content := range files {
		b, err := os.ReadFile(filepath.Join(committed, name))
		require.NoError(t, err)
		require.Equal(t, string(content), string(b), "run go generate ./deploy/dashboards")
	}
}

func TestEveryMetricOfTheProgramIsShownSomewhere(t *testing.T) {
	shown := map[string]bool{}
	for _, d := range dashboards {
		for _, r := range d.rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					for _, name := range namesIn(here(q.expression)).metrics {
						shown[name] = true
					}
				}
			}
		}
	}
	for _, d := range metrics.All() {
		name := d.Prometheus()
		require.True(t, shown[name] || shown[name+"_bucket"] || shown[name+"_sum"], "%s is on no dashboard", name)
	}
}

func TestEveryPanelSaysWhatItIsInWhichUnitAndLeadsToPagesThatThereAre(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range dashboards {
		require.False(t, uids[d.uid], d.uid)
		uids[d.uid] = true
		require.NotEmpty(t, d.about, d.title)
		for _, r := range d.rows {
			require.NotEmpty(t, r.title, d.title)
			for _, p := range r.panels {
				require.NotEmpty(t, p.title, r.title)
				require.Regexp(t, `^\S.*\.$`, p.about, p.title)
				require.Contains(t, units, p.unit, p.title)
				require.NotEmpty(t, p.queries, p.title)
				for _, q := range p.queries {
					require.Contains(t, q.expression, "NS}", "%s: of which namespace", p.title)
				}
				for _, alert := range p.runbooks {
					require.FileExists(t, filepath.Join("../../docs/runbooks", alert+".md"), p.title)
				}
			}
		}
	}
}

func TestEveryAlertIsLinkedFromADashboard(t *testing.T) {
	linked := map[string]bool{}
	for _, d := range dashboards {
		for _, r := range d.rows {
			for _, p := range r.panels {
				for _, alert := range p.runbooks {
					linked[alert] = true
				}
			}
		}
	}
	_, alerts := rules(t)
	for _, a := range alerts {
		require.True(t, linked[a.Alert], a.Alert)
	}
}

// What Grafana reads of a panel.
type shown struct {
	Type, Description string
	Datasource        struct{ UID string }
	GridPos           struct{ X, Y, W, H int }
	Targets           []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

func TestPanelsDoNotLieOverEachOtherAndAskTheChosenPrometheus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(committed, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var d struct {
			Panels     []shown
			Templating struct{ List []struct{ Name, Type string } }
		}
		require.NoError(t, json.Unmarshal(b, &d))
		require.Equal(t, "datasource", d.Templating.List[0].Type)
		for i, p := range d.Panels {
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
			for _, q := range d.Panels[:i] {
				apart := p.GridPos.X >= q.GridPos.X+q.GridPos.W || q.GridPos.X >= p.GridPos.X+p.GridPos.W || p.GridPos.Y >= q.GridPos.Y+q.GridPos.H || q.GridPos.Y >= p.GridPos.Y+p.GridPos.H
				require.True(t, apart, "%s: panel %d", file, i)
			}
			if p.Type == "row" {
				continue
			}
			require.Equal(t, "${datasource}", p.Datasource.UID)
			require.False(t, slices.ContainsFunc(p.Targets, func(q struct {
				Expr       string
				Datasource struct{ UID string }
			}) bool {
				return q.Datasource.UID != "${datasource}"
			}))
		}
	}
}
