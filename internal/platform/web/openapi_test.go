package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// document is as much of an OpenAPI document as the tests look at.
type document struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Description string
		Roles       []string `json:"x-roles"`
		Security    []map[string][]string
		Parameters  []struct {
			Name, In string
			Required bool
			Schema   map[string]any
		}
		RequestBody *struct {
			Required bool
			Content  map[string]struct{ Schema map[string]any }
		}
		Responses map[string]struct {
			Description string
			Headers     map[string]any
			Content     map[string]struct{ Schema map[string]any }
		}
	}
	Components struct {
		Schemas         map[string]map[string]any
		SecuritySchemes map[string]any
	}
}

func (s *shop) document(t *testing.T) (d document) {
	t.Helper()
	a := s.send(t, "GET", "/openapi.json", "")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.NoError(t, json.Unmarshal([]byte(a.body), &d))
	return d
}

func TestTheDocumentDescribesEveryOperation(t *testing.T) {
	d := open(t).document(t)
	require.Equal(t, "3.1.0", d.OpenAPI)
	require.Equal(t, "shop", d.Info.Title)
	require.Contains(t, d.Components.SecuritySchemes, "bearer")

	place := d.Paths["/v1/orders"]["post"]
	require.Equal(t, "place-order", place.OperationID)
	require.True(t, place.RequestBody.Required)
	require.Equal(t, "#/components/schemas/PlaceBody", place.RequestBody.Content["application/json"].Schema["$ref"])
	require.Equal(t, "#/components/schemas/Order", place.Responses["201"].Content["application/json"].Schema["$ref"])
	require.Contains(t, place.Responses["201"].Headers, "Location")
	require.Equal(t, place.Responses["201"].Content, place.Responses["200"].Content)
	require.Empty(t, place.Responses["304"].Content)
	require.Equal(t, []map[string][]string{{"bearer": {}}}, place.Security)

	get := d.Paths["/v1/orders/{id}"]["get"]
	require.Equal(t, "^ord_[0-9a-z]+$", get.Parameters[0].Schema["pattern"])
	require.Equal(t, []any{"ord_1"}, get.Parameters[0].Schema["examples"])
	require.True(t, get.Parameters[0].Required)

	list := d.Paths["/v1/orders"]["get"]
	require.Equal(t, []map[string][]string{{}, {"bearer": {}}}, list.Security, "public: with or without")
	require.Equal(t, "Needs no token.", list.Description)
	require.Equal(t, "#/components/schemas/ItemPage", list.Responses["200"].Content["application/json"].Schema["$ref"])
	require.Contains(t, list.Responses["200"].Headers, "Link")

	require.False(t, d.Paths["/v1/orders/{id}/cancel"]["post"].RequestBody.Required)
	require.Contains(t, d.Paths["/v1/orders/{id}/cancel"]["post"].Responses, "204")
}

func TestTheDocumentShowsTheProblemsOfEachOperation(t *testing.T) {
	d := open(t).document(t)
	want := map[string][]string{
		"post /v1/orders":             {"400", "401", "409", "413", "415", "422", "429", "500", "503"},
		"get /v1/orders":              {"400", "401", "422", "429", "500", "503"},
		"get /v1/orders/{id}":         {"400", "401", "404", "422", "429", "500", "503"},
		"post /v1/orders/{id}/cancel": {"400", "401", "404", "413", "415", "422", "429", "500", "503"},
	}
	operations := 0
	for path, byMethod := range d.Paths {
		for method, op := range byMethod {
			operations++
			var got []string
			for status, r := range op.Responses {
				require.NotEmpty(t, r.Description)
				if status >= "400" {
					got = append(got, status)
					require.Equal(t, "#/components/schemas/Problem", r.Content["application/problem+json"].Schema["$ref"])
				}
			}
			require.ElementsMatch(t, want[method+" "+path], got, method+" "+path)
		}
	}
	require.Len(t, want, operations)
}

func TestMoneyAndItsExamplesAreInTheDocument(t *testing.T) {
	money := open(t).document(t).Components.Schemas["Money"]
	amount := money["properties"].(map[string]any)["amount"].(map[string]any)
	currency := money["properties"].(map[string]any)["currency"].(map[string]any)
	require.Equal(t, "integer", amount["type"])
	require.Equal(t, []any{1999.0}, amount["examples"])
	require.Equal(t, "^[A-Z]{3}$", currency["pattern"])
	require.Equal(t, []any{"EUR"}, currency["examples"])
	require.Equal(t, false, money["additionalProperties"])
}

func TestTheAPIPageIsServedWithNothingFromOutside(t *testing.T) {
	s := open(t)
	page := s.send(t, "GET", "/docs", "")
	require.Equal(t, 200, page.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.NotRegexp(t, `(?i)(src|href|url)\s*=\s*["']?(https?:)?//`, page.body, "loads from another origin")
	require.NotContains(t, page.body, "://")
	require.Contains(t, page.body, `"telemetry":false`)
	require.Contains(t, page.body, `"withDefaultFonts":false`)

	policy := page.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'self'")
	require.Contains(t, policy, "connect-src 'self'")
	require.NotContains(t, policy, "unsafe-eval")
	require.NotRegexp(t, `https?:|\*|script-src[^;]*unsafe`, policy)

	for _, local := range regexp.MustCompile(`(?:src|data-url|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		require.Equal(t, 200, s.send(t, "GET", local[1], "").StatusCode, local[1])
	}
}

func TestAssetsAreSentCompressedToThoseWhoTakeIt(t *testing.T) {
	s := open(t)
	for path, marker := range map[string]string{"/docs/scalar.js": "api-reference", "/openapi.json": `"openapi":"3.1.0"`, "/docs": "<!doctype html>"} {
		for accept, compressed := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "identity": false, "": false, "gzip;q=0.000": false, "br": false} {
			a := s.send(t, "GET", path, "", "Accept-Encoding", accept)
			require.Equal(t, 200, a.StatusCode)
			require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
			body := a.body
			if compressed {
				require.Equal(t, "gzip", a.Header.Get("Content-Encoding"), "%s %s", path, accept)
				z, err := gzip.NewReader(strings.NewReader(body))
				require.NoError(t, err)
				b, err := io.ReadAll(z)
				require.NoError(t, err)
				body = string(b)
			} else {
				require.Empty(t, a.Header.Get("Content-Encoding"), "%s %s", path, accept)
			}
			require.Contains(t, body, marker)
		}
		tag := s.send(t, "GET", path, "").Header.Get("ETag")
		again := s.send(t, "GET", path, "", "If-None-Match", tag)
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Empty(t, again.body)
		require.Equal(t, 200, s.send(t, "GET", path, "", "If-None-Match", `"other"`).StatusCode)
	}
}
