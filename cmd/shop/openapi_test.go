package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/web"
)

var update = flag.Bool("update", false, "write api/openapi-….json anew; not if that would break a client")

// versions of the API that are published. One that is here stays as it is, but for what only adds, until its sunset.
var versions = []string{"v1", "v2"}

// tree is JSON.
type tree = map[string]any

func TestWhatIsPublishedBreaksNoClient(t *testing.T) {
	document := servedDocument(t)
	for path := range document["paths"].(tree) {
		require.Contains(t, versions, strings.Split(path, "/")[1], "a version that nobody watches")
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			file := "../../api/openapi-" + version + ".json"
			now := indented(t, ofVersion(document, version))
			published, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) && *update {
				require.NoError(t, os.WriteFile(file, now, 0o600))
				return
			}
			require.NoError(t, err, "run the test with -update to write it")
			require.Empty(t, breaks(t, published, now), "clients of %s would notice; see docs/how-to/change-the-api.md", version)
			if *update {
				require.NoError(t, os.WriteFile(file, now, 0o600))
				return
			}
			require.Equal(t, string(published), string(now), "the API has more now; run the test with -update to publish it")
		})
	}
}

// servedDocument is the OpenAPI document of a shop that hosts everything.
func servedDocument(t *testing.T) (document tree) {
	t.Helper()
	h := wholeHost(t)
	edge := web.New(web.Options{Version: "1"})
	for _, m := range h.modules {
		m.Routes(edge)
	}
	h.front.gateway.Routes(edge)
	answer := httptest.NewRecorder()
	edge.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &document))
	return document
}

// wholeHost hosts everything, on the memory bus. Nothing of it is started.
func wholeHost(t *testing.T) *host {
	t.Helper()
	cfg := config{hosted: contextNames(), databases: map[string]string{}, data: t.TempDir(), busURL: memoryBus}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.close()) })
	h.front, err = h.openFront(prometheus.NewRegistry())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.front.stop()) })
	return h
}

// ofVersion is the part of the document that is about one version, with the schemas that it uses.
func ofVersion(document tree, version string) tree {
	part := maps.Clone(document)
	part["info"] = tree{"title": "shop", "version": strings.TrimPrefix(version, "v")}
	paths := maps.Clone(document["paths"].(tree))
	maps.DeleteFunc(paths, func(path string, _ any) bool { return !strings.HasPrefix(path, "/"+version+"/") })
	part["paths"] = paths

	all := document["components"].(tree)["schemas"].(tree)
	used := tree{}
	var use func(v any)
	use = func(v any) {
		text, _ := json.Marshal(v) // it came from JSON
		for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllSubmatch(text, -1) {
			if name := string(ref[1]); used[name] == nil {
				used[name] = all[name]
				use(all[name])
			}
		}
	}
	use(paths)
	components := maps.Clone(document["components"].(tree))
	components["schemas"] = used
	part["components"] = components
	return part
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(v))
	return b.Bytes()
}

// stricter are changes that oasdiff reports and does not mind, and that a client may notice all the same.
var stricter = map[string]checker.Level{
	checker.ResponseOptionalPropertyRemovedId:     checker.ERR,
	checker.OptionalResponseHeaderRemovedId:       checker.ERR,
	checker.RequestParameterDefaultValueChangedId: checker.ERR,
	checker.RequestParameterDefaultValueRemovedId: checker.ERR,
	checker.RequestPropertyDefaultValueChangedId:  checker.ERR,
	checker.RequestPropertyDefaultValueRemovedId:  checker.ERR,
}

var (
	checks = sync.OnceValue(func() *checker.Config {
		return checker.NewConfig(checker.GetAllChecks(), checker.WithSeverityLevels(stricter))
	})
	words = sync.OnceValue(checker.NewDefaultLocalizer)
)

// breaks names what a client of the published document could notice in the other: what oasdiff calls an error or a warning, what is in stricter, and an operation that is no
// longer for somebody it was for.
func breaks(t *testing.T, published, now []byte) (found []string) {
	t.Helper()
	spec := func(name string, document []byte) *load.SpecInfo {
		info, err := load.NewSpecInfoFromData(openapi3.NewLoader(), document, name)
		require.NoError(t, err)
		return info
	}
	d, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), spec("published", published), spec("now", now))
	require.NoError(t, err)
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(checks(), d, sources, checker.WARN) {
		found = append(found, fmt.Sprintf("%s %s: %s", c.GetOperation(), c.GetPath(), c.GetUncolorizedText(words())))
	}
	return append(found, excluded(t, published, now)...)
}

// excluded names operations that have a role less: the document says who may call them in a field of our own.
func excluded(t *testing.T, published, now []byte) (found []string) {
	t.Helper()
	type operations struct {
		Paths map[string]map[string]struct {
			Roles []string `json:"x-roles"`
		}
	}
	var before, after operations
	require.NoError(t, json.Unmarshal(published, &before))
	require.NoError(t, json.Unmarshal(now, &after))
	for path, methods := range before.Paths {
		for method, was := range methods {
			is, there := after.Paths[path][method]
			if !there || len(is.Roles) == 0 {
				continue // it is gone, which oasdiff tells, or for everybody
			}
			for _, role := range was.Roles {
				if !slices.Contains(is.Roles, role) {
					found = append(found, fmt.Sprintf("%s %s: no longer for the role %s", method, path, role))
				}
			}
			if len(was.Roles) == 0 {
				found = append(found, fmt.Sprintf("%s %s: now only for %v", method, path, is.Roles))
			}
		}
	}
	return found
}
