package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABlockReplacesWhatStoodBetweenItsMarkers(t *testing.T) {
	const text = "# Title\n\n<!-- bench:rates -->\nold\nlines\n<!-- /bench:rates -->\n\nwords `<!-- bench:rates -->`\n<!-- bench:start -->\n<!-- /bench:start -->\n"
	const want = "# Title\n\n<!-- bench:rates -->\n| a |\n<!-- /bench:rates -->\n\nwords `<!-- bench:rates -->`\n<!-- bench:start -->\nb\n<!-- /bench:start -->\n"
	blocks := map[string]string{"rates": "| a |\n", "start": "b", "unused": "c"}
	got, err := fillMarkers([]byte(text), blocks)
	require.NoError(t, err)
	require.Equal(t, want, string(got))

	again, err := fillMarkers(got, blocks)
	require.NoError(t, err)
	require.Equal(t, want, string(again), "a second time changes nothing")
}

func TestMarkersThatDoNotFitAreRefused(t *testing.T) {
	blocks := map[string]string{"a": "", "b": ""}
	for text, complaint := range map[string]string{
		"<!-- bench:a -->\n":                           "bench:a does not end",
		"<!-- /bench:a -->\n":                          "ends where it has not begun",
		"<!-- bench:a -->\n<!-- /bench:b -->\n":        "ends where it has not begun",
		"<!-- bench:a -->\n<!-- bench:b -->\n":         "begins inside bench:a",
		"<!-- bench:c -->\nkept?\n<!-- /bench:c -->\n": "no block c",
	} {
		_, err := fillMarkers([]byte(text), blocks)
		require.ErrorContains(t, err, complaint, text)
	}
}

func TestTheDocumentHasAPlaceForEveryTableAndShowsEveryPlot(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	_, err = fillMarkers(text, tables(nil))
	require.NoError(t, err)
	for name := range tables(nil) {
		require.Contains(t, string(text), "<!-- bench:"+name+" -->")
	}
	for name := range charts(nil) {
		require.Contains(t, string(text), "(performance/"+name+".svg)")
	}
}

// sample is a run of every part on one database.
func sample() []record {
	figures := func(v float64) map[string]float64 {
		return map[string]float64{perSecond: v, p50: 8 / v, p99: 80 / v, cpuProgram: 1, cpuPostgres: 2, memory: 50, startup: 60, idleCPU: 0.5, storedBytes: 1 << 30}
	}
	all := []record{{Part: "machine", Notes: map[string]string{"go": "go1.26 <&>"}}}
	for rep := 1; rep <= 3; rep++ {
		v := float64(rep)
		for _, clients := range []int{8, 32} {
			all = append(all, record{Part: "flow", Subject: "shop-postgres", Clients: clients, Rep: rep, Figures: figures(600 * v)},
				record{Part: "anchors", Subject: "full_pipe", Clients: clients, Rep: rep, Figures: figures(1200 * v)})
		}
		all = append(all, record{Part: "anchors", Subject: batchScript, Clients: 2, Rep: rep, Figures: figures(6000 * v)},
			record{Part: "stored", Subject: "shop-postgres", Stored: 0, Rep: rep, Figures: figures(500)},
			record{Part: "stored", Subject: "shop-postgres", Stored: 1_000_000, Rep: rep, Figures: figures(450)},
			record{Part: "lines", Subject: "shop-postgres", Lines: 2, Clients: 8, Rep: rep, Figures: figures(400)},
			record{Part: "lines", Subject: "shop-postgres", Lines: 500, Clients: 8, Rep: rep, Figures: figures(4)},
			record{Part: "reads", Subject: "shop-postgres", Route: "/v1/products", Beside: "postgres", Rep: rep, Bytes: 12345, Figures: figures(7000)},
			record{Part: "reads", Subject: "plain", Route: "/v1/products", Beside: "postgres", Rep: rep, Figures: figures(28000)},
			record{Part: "start", Subject: "shop-postgres", Route: startAgain, Rep: rep, Figures: figures(1)})
	}
	return append(all, record{Part: "flow", Subject: "shop-sqlite", Rep: 2, Marks: []string{"FAILED: no disk"}},
		record{Part: "fill", Subject: "shop-postgres", Stored: 1_000_000, Figures: figures(1), Notes: map[string]string{"audit": "clean"}},
		record{Part: "anchors", Subject: orderflow, Marks: []string{"SKIPPED: it could not be built"}})
}

func TestTablesSayWhatWasMeasured(t *testing.T) {
	blocks := tables(sample())
	for name, row := range map[string]string{
		"rates":  "| shop-postgres | 8 | 1200 (600–1800) | 0.007 (0.004–0.013) | 0.067 (0.044–0.133) |\n",
		"ratios": "| shop-postgres | 32 | 0.500 (0.500–0.500) | – | 0.100 (0.100–0.100) | – |\n",
		"stored": "| shop-postgres | 1,000,000 | 450 (450–450) | 0.900 (0.900–0.900) | 0.018 (0.018–0.018) | 0.178 (0.178–0.178) | 1024 | clean |\n",
		"lines":  "| shop-postgres | 8 | 500 | 4.00 (4.00–4.00) | 2.00 (2.00–2.00) | 100 (100–100) | 3.00 (3.00–3.00) | 1.00 (1.00–1.00) |\n",
		"reads":  "| `GET /v1/products` | postgres | 12,345 | 7000 (7000–7000) | 28,000 (28,000–28,000) | 0.250 (0.250–0.250) |",
		"start":  "| shop-postgres | again | 60.0 (60.0–60.0) |\n",
		"memory": "| shop-postgres | idle | 50.0 (50.0–50.0) | – | 0.500 (0.500–0.500), PostgreSQL – |\n",
		"marks":  "- anchors, orderflow, 0 clients, repetition 0: SKIPPED: it could not be built",
	} {
		require.Contains(t, blocks[name], row, name)
	}
	require.Contains(t, blocks["rates"], "| orderflow |  | SKIPPED: it could not be built |")
	require.NotContains(t, blocks["costs"], orderflow)
	require.NotContains(t, blocks["rates"], "shop-sqlite")
	require.Contains(t, blocks["marks"], "- flow, shop-sqlite, 0 clients, repetition 2: FAILED: no disk")
}

func TestTablesWithoutMeasurementsSaySo(t *testing.T) {
	blocks := tables(nil)
	for _, name := range []string{"rates", "ratios", "costs", "stored", "lines", "reads", "start", "memory", "machine"} {
		require.Equal(t, notMeasured, blocks[name], name)
	}
	withoutAnchors := []record{{Part: "flow", Subject: "shop-sqlite", Clients: 8, Figures: map[string]float64{perSecond: 1}}, {Part: "anchors", Subject: "all", Marks: []string{"SKIPPED: there is no ../shared/bench"}}}
	require.Equal(t, "The anchors were not measured. SKIPPED: there is no ../shared/bench.", tables(withoutAnchors)["ratios"])
}

func TestRenderWritesTheDocumentAndThePlots(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.md")
	require.NoError(t, os.WriteFile(doc, []byte("<!-- bench:rates -->\n<!-- /bench:rates -->\n"), 0o600))
	args := []string{"-out", dir, "-doc", doc}
	require.ErrorContains(t, render(args, io.Discard), "measure first")

	file, err := os.Create(filepath.Join(dir, resultsFile))
	require.NoError(t, err)
	for _, r := range sample() {
		require.NoError(t, journal{file, io.Discard, "2026-01-01T00:00:00Z"}.add(r))
	}
	require.NoError(t, file.Close())
	require.NoError(t, render(args, io.Discard))

	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.Contains(t, string(text), "| shop-postgres | 8 | 1200 (600–1800) |")
	for name := range charts(nil) {
		require.FileExists(t, filepath.Join(dir, name+".svg"))
	}
}

// drawn counts the elements of an SVG, which must be well-formed, and gathers its text.
func drawn(t *testing.T, svg []byte) (elements map[string]int, text string) {
	t.Helper()
	elements = map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, text
		}
		require.NoError(t, err, string(svg))
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
			for _, a := range token.Attr {
				require.NotContains(t, a.Value, "NaN")
				require.NotContains(t, a.Value, "Inf")
			}
		case xml.CharData:
			text += string(token) + "\n"
		}
	}
}

func TestAPlotIsWellFormedAndShowsEveryPoint(t *testing.T) {
	for _, log := range []bool{false, true} {
		c := chart{title: "a < b & c", x: "clients", y: "orders/s", log: log, series: []series{
			{name: "\"shop\"", points: map[int]spread{0: spreadOf([]float64{3, 5}), 32: spreadOf([]float64{700}), 1_000_000: spreadOf([]float64{12000})}},
			{name: "gap", dashed: true, color: 9, points: map[int]spread{32: spreadOf([]float64{1}), 0: spreadOf(nil)}},
		}}
		elements, text := drawn(t, c.svg())
		require.Equal(t, 4, elements["circle"])
		require.Equal(t, 2, elements["polyline"])
		for _, word := range []string{"a < b & c", `"shop"`, "1,000,000", "clients"} {
			require.Contains(t, text, word)
		}
	}
	for name, c := range charts(sample()) {
		elements, _ := drawn(t, c.svg())
		require.NotZero(t, elements["polyline"], name)
	}
	elements, _ := drawn(t, chart{title: "nothing"}.svg())
	require.Zero(t, elements["polyline"])
}

func TestTicksSpanWhatThereIs(t *testing.T) {
	require.Equal(t, []float64{0, 200, 400, 600, 800, 1000, 1200, 1400}, linearTicks(1234))
	require.Equal(t, []float64{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}, linearTicks(1))
	require.Equal(t, []float64{2, 5, 10, 20, 50}, logTicks(3, 30))
	require.Equal(t, []float64{1, 2}, logTicks(1, 1))
	require.Equal(t, []float64{0.05, 0.1, 0.2}, logTicks(0.07, 0.2))
	for most := 0.001; most < 1e6; most *= 1.37 {
		ticks := linearTicks(most)
		require.GreaterOrEqual(t, ticks[len(ticks)-1], most)
		require.Less(t, ticks[len(ticks)-2], most)
		require.LessOrEqual(t, len(ticks), 10)
		require.GreaterOrEqual(t, len(ticks), 4)
	}
}
