package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	realCosts = "../../docs/performance/costs.json"
	realScale = "../../docs/scale.md"
)

// changedCosts are the test's costs as JSON with one value changed; nil removes it.
func changedCosts(t *testing.T, value any, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/costs.json")
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(b, &all))
	at := all
	for _, name := range path[:len(path)-1] {
		at = at[name].(map[string]any)
	}
	if at[path[len(path)-1]] = value; value == nil {
		delete(at, path[len(path)-1])
	}
	b, err = json.Marshal(all)
	require.NoError(t, err)
	return b
}

func TestCostsThatMakeNoSenseAreRefused(t *testing.T) {
	for complaint, b := range map[string][]byte{
		`"place" is missing`:               changedCosts(t, nil, "steps", "place"),
		`that the way of an order`:         changedCosts(t, map[string]any{"go_us": 1}, "steps", "gift_wrap"),
		`costs of 0 or more`:               changedCosts(t, -1, "steps", "take", "pg_us"),
		`unknown field "pgus"`:             changedCosts(t, 1, "steps", "take", "pgus"),
		`flush: expected 0 ≤ median`:       changedCosts(t, map[string]any{"median_us": 9, "p99_us": 3}, "flush"),
		`provider: expected`:               changedCosts(t, map[string]any{"median_us": -9}, "provider"),
		`at least one line and one SKU`:    changedCosts(t, 0.5, "orders", "lines_mean"),
		`utilisation between 0 and 1`:      changedCosts(t, 60, "sizing", "utilisation"),
		`expected cores and replicas`:      changedCosts(t, 0, "broker", "replicas"),
		`disk_mib_per_second`:              changedCosts(t, 0, "disk_mib_per_second"),
		`"zone" is missing`:                changedCosts(t, nil, "round_trip_us", "zone"),
		`more than 64 different statement`: changedCosts(t, manyNames(80), "steps", "place", "asks"),
	} {
		_, err := parseCosts(b)
		require.ErrorContains(t, err, complaint)
	}
}

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "statement " + count(i)
	}
	return names
}

func TestTheCostsOfTheRepositoryCanBeUsed(t *testing.T) {
	c, err := readCosts(realCosts)
	require.NoError(t, err)
	require.Contains(t, []string{"measured", "estimated"}, c.Basis)
}

func TestATopologyIsCompletedOrRefused(t *testing.T) {
	c := testCosts(t)
	read := func(text string) (topology, error) {
		file := filepath.Join(t.TempDir(), "topology.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return readTopology(file, c)
	}
	full, err := read(`{"together": true, "contexts": {"orders": {"lanes": 3}}}`)
	require.NoError(t, err)
	require.Equal(t, hosting{Shards: 1, Replicas: 1, Cores: 4, Lanes: 3, Batch: batchLimit, DBCores: 16}, full.of(orders))
	require.Equal(t, 1, full.of(testpsp).Lanes)
	for text, complaint := range map[string]string{
		`{"together": true, "contexts": {"orders": {"shards": 2}}}`: "one shard of each",
		`{"contexts": {}}`: "need a broker",
		`{"together": true, "contexts": {"warehouse": {}}}`: `no context "warehouse"`,
		`{"together": true, "shard": 2}`:                    `unknown field "shard"`,
	} {
		_, err := read(text)
		require.ErrorContains(t, err, complaint)
	}
}

func TestOnlyTheLastRunOfTheBenchmarkCounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(`{"run":"2026-11-22T10:00","part":"flow","subject":"shop-postgres","clients":8,"lines":2,"figures":{"per_s":1}}
{"run":"2026-11-23T10:00","part":"flow","subject":"shop-postgres","rep":1,"clients":8,"lines":2,"figures":{"per_s":100,"p50_ms":5}}
{"run":"2026-11-23T10:00","part":"flow","subject":"shop-postgres","rep":2,"clients":8,"lines":2,"figures":{"per_s":300,"p50_ms":6}}
{"run":"2026-11-23T10:00","part":"flow","subject":"shop-postgres","rep":3,"clients":8,"lines":2,"figures":{"per_s":110,"p50_ms":7}}
{"run":"2026-11-23T10:00","part":"flow","subject":"shop-postgres","rep":1,"clients":1,"lines":2,"figures":{"per_s":10}}
{"run":"2026-11-23T10:00","part":"flow","subject":"shop-sqlite","clients":8,"lines":2,"figures":{"per_s":9000}}
{"run":"2026-11-24T10:00","part":"reads","subject":"shop-postgres","clients":8,"figures":{"per_s":9000}}
`), 0o600))
	got, err := readMeasurements(file)
	require.NoError(t, err)
	require.Equal(t, []measurement{
		{clients: 1, lines: 2, figures: map[string]float64{"per_s": 10}},
		{clients: 8, lines: 2, figures: map[string]float64{"per_s": 110, "p50_ms": 6}},
	}, got)

	l := testLaboratory(t)
	l.measured = got
	text, err := l.validation()
	require.NoError(t, err)
	require.Regexp(t, `(?m)^\| 8 \| [\d.,]+ \| 110 \| [\d.]+ \| 6 \| [\d.]+ \| – \|$`, text)

	none, err := readMeasurements(filepath.Join(t.TempDir(), "none.jsonl"))
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestTablesGoIntoTheirPlaces(t *testing.T) {
	document := "# Title\n\n<!-- simulate:hot -->\nold\n<!-- /simulate -->\n\nBetween.\n\n<!-- simulate:money -->\n<!-- /simulate -->\nEnd.\n"
	text, err := fill(document, map[string]string{"hot": "| a |\n", "money": "| $1 |\n\n"})
	require.NoError(t, err)
	require.Equal(t, "# Title\n\n<!-- simulate:hot -->\n\n| a |\n\n<!-- /simulate -->\n\nBetween.\n\n<!-- simulate:money -->\n\n| $1 |\n\n<!-- /simulate -->\nEnd.\n", text)
	again, err := fill(text, map[string]string{"hot": "| a |\n", "money": "| $1 |\n\n"})
	require.NoError(t, err)
	require.Equal(t, text, again)
	_, err = fill(document, map[string]string{"hot": ""})
	require.ErrorContains(t, err, "money")
	_, err = fill(document, map[string]string{"hot": "", "money": "", "ladder": ""})
	require.ErrorContains(t, err, "no place <!-- simulate:ladder -->")
}

func TestTheDocumentHasAPlaceForEveryStudy(t *testing.T) {
	b, err := os.ReadFile(realScale)
	require.NoError(t, err)
	tables := map[string]string{}
	for _, s := range studies {
		tables[s.name] = "table"
	}
	_, err = fill(string(b), tables)
	require.NoError(t, err)
}

func TestTheDocumentWasMadeFromTheCostsOfTheRepository(t *testing.T) {
	costs, err := os.ReadFile(realCosts)
	require.NoError(t, err)
	document, err := os.ReadFile(realScale)
	require.NoError(t, err)
	made := regexp.MustCompile("sha256 `([0-9a-f]+)`").FindSubmatch(document)
	require.NotNil(t, made)
	require.Equal(t, digestOf(costs), string(made[1]), "docs/performance/costs.json has changed since: run make simulate")
}

func TestNumbersAreRoundedToWhatIsKnown(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.000123456: "0.000123", 0.0996: "0.0996", 0.5: "0.5", 1: "1", 1.234: "1.23", 12.04: "12", 12.34: "12.3", 999: "999", 1234: "1,230", 999_999: "1,000,000",
		-1234567: "-1,230,000", 123: "123",
	} {
		require.Equal(t, want, number(v))
	}
	require.Equal(t, "1,234,567", count(1234567))
	require.Equal(t, "61 %", percent(0.605))
	require.Equal(t, "1.5", ms(1500*time.Microsecond))
}

func TestTheCommandShowsATopologyAndStudies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topology.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"together": true}`), 0o600))
	var out bytes.Buffer
	require.NoError(t, run([]string{"-costs", "testdata/costs.json", "-results", "", "-topology", file, "-rate", "50", "-seconds", "2"}, &out, io.Discard))
	require.Contains(t, out.String(), "50 orders/s offered")
	require.Regexp(t, `(?m)^\| lanes of orders \| 1 \| \d+ % \| \d+ % \|$`, out.String())

	out.Reset()
	require.NoError(t, run([]string{"-costs", "testdata/costs.json", "-results", "", "-study", "inputs,costs"}, &out, io.Discard))
	require.Contains(t, out.String(), "## inputs")
	require.Contains(t, out.String(), "| captured | orders | a message of payments | 4 | inbox | 40 | 85 | 3,400 |")

	require.ErrorContains(t, run([]string{"-costs", "testdata/costs.json", "-results", "", "-study", "weather"}, &out, io.Discard), `no study "weather"`)
	require.ErrorContains(t, run([]string{"-costs", "missing.json"}, &out, io.Discard), "missing.json")
}
