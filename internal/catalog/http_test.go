package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/web"
)

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// client speaks to the context over HTTP, without a socket.
type client func(method, target, body string, headers ...string) answer

func overHTTP(t *testing.T, test func(t *testing.T, call client)) {
	t.Helper()
	each(t, func(t *testing.T, m *Module) {
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		m.Routes(edge)
		test(t, func(method, target, body string, headers ...string) answer {
			var content io.Reader
			if body != "" {
				content = strings.NewReader(body)
			}
			r := httptest.NewRequestWithContext(context.Background(), method, target, content)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			edge.Handler().ServeHTTP(w, r)
			return answer{t, w.Code, w.Header(), w.Body.String()}
		})
	})
}

func (a answer) into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal([]byte(a.body), v), a.body)
}

func (a answer) problem(status int, code string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	var p web.Problem
	a.into(&p)
	require.Equal(a.t, code, p.Code)
}

const mugJSON = `{"name":"Blue mug","price":{"amount":1999,"currency":"EUR"}}`

func TestAProductIsCreatedThenTheSame(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		first := call(http.MethodPut, "/v1/products/MUG-1", mugJSON)
		require.Equal(t, http.StatusCreated, first.status, first.body)
		require.Equal(t, `"1"`, first.header.Get("ETag"))
		require.Equal(t, "/v1/products/MUG-1", first.header.Get("Location"))
		var p map[string]any
		first.into(&p)
		require.Equal(t, "MUG-1", p["sku"])
		require.Equal(t, "Blue mug", p["name"])
		require.Equal(t, map[string]any{"amount": 1999.0, "currency": "EUR"}, p["price"])
		require.Equal(t, true, p["active"])
		require.Contains(t, p["created_at"], "Z")

		again := call(http.MethodPut, "/v1/products/MUG-1", mugJSON)
		require.Equal(t, http.StatusOK, again.status)
		require.Equal(t, first.body, again.body)
		require.Equal(t, `"1"`, again.header.Get("ETag"))

		changed := call(http.MethodPut, "/v1/products/MUG-1", `{"name":"Blue mug","price":{"amount":1999,"currency":"EUR"},"active":false}`)
		require.Equal(t, http.StatusOK, changed.status)
		require.Equal(t, `"2"`, changed.header.Get("ETag"))
		changed.into(&p)
		require.Equal(t, false, p["active"])
	})
}

func TestOnlyAnOperatorSaysWhatIsSold(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		const batch = `{"products":[{"sku":"MUG-1","name":"Blue mug","price":{"amount":1999,"currency":"EUR"}}]}`
		for _, headers := range [][]string{authtest.AsCustomer("cus_1"), authtest.AsService()} {
			call(http.MethodPut, "/v1/products/MUG-1", mugJSON, headers...).problem(http.StatusForbidden, "forbidden")
			call(http.MethodPost, "/v1/products/batch", batch, headers...).problem(http.StatusForbidden, "forbidden")
		}
		call(http.MethodPut, "/v1/products/MUG-1", "{", authtest.AsNobody()...).problem(http.StatusUnauthorized, "unauthorized")
		call(http.MethodPost, "/v1/products/batch", batch, authtest.AsNobody()...).problem(http.StatusUnauthorized, "unauthorized")
		call(http.MethodGet, "/v1/products/MUG-1", "", authtest.AsNobody()...).problem(http.StatusNotFound, "product_not_found")

		require.Equal(t, http.StatusCreated, call(http.MethodPut, "/v1/products/MUG-1", mugJSON).status)
		require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/products/MUG-1", "", authtest.AsNobody()...).status)
		require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/products", "", authtest.AsNobody()...).status)
	})
}

func TestAProductIsReadOnceAndThenOnlyIfItChanged(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		call(http.MethodGet, "/v1/products/MUG-1", "").problem(http.StatusNotFound, "product_not_found")
		call(http.MethodPut, "/v1/products/MUG-1", mugJSON)
		read := call(http.MethodGet, "/v1/products/MUG-1", "")
		require.Equal(t, http.StatusOK, read.status)
		for _, known := range []string{`"1"`, `W/"1"`, `"7", "1"`, `*`} {
			same := call(http.MethodGet, "/v1/products/MUG-1", "", "If-None-Match", known)
			require.Equal(t, http.StatusNotModified, same.status, known)
			require.Empty(t, same.body)
			require.Equal(t, `"1"`, same.header.Get("ETag"))
		}
		other := call(http.MethodGet, "/v1/products/MUG-1", "", "If-None-Match", `"2"`)
		require.Equal(t, http.StatusOK, other.status)
	})
}

func TestAPutKeepsItsConditions(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		red := `{"name":"Red mug","price":{"amount":1999,"currency":"EUR"}}`
		call(http.MethodPut, "/v1/products/MUG-1", mugJSON, "If-Match", `"1"`).problem(http.StatusPreconditionFailed, "version_conflict")
		call(http.MethodPut, "/v1/products/MUG-1", mugJSON, "If-Match", `"0"`).problem(http.StatusPreconditionFailed, "version_conflict")
		call(http.MethodPut, "/v1/products/MUG-1", mugJSON, "If-Match", `*`).problem(http.StatusPreconditionFailed, "version_conflict")
		require.Equal(t, http.StatusCreated, call(http.MethodPut, "/v1/products/MUG-1", mugJSON, "If-None-Match", "*").status)
		call(http.MethodPut, "/v1/products/MUG-1", red, "If-None-Match", "*").problem(http.StatusPreconditionFailed, "version_conflict")
		call(http.MethodPut, "/v1/products/MUG-1", red, "If-None-Match", `"1"`).problem(http.StatusBadRequest, "invalid_condition")
		call(http.MethodPut, "/v1/products/MUG-1", red, "If-Match", `"2"`).problem(http.StatusPreconditionFailed, "version_conflict")
		require.Equal(t, http.StatusOK, call(http.MethodPut, "/v1/products/MUG-1", red, "If-Match", `"1"`).status)
		require.Equal(t, http.StatusOK, call(http.MethodPut, "/v1/products/MUG-1", red, "If-Match", `"1"`).status, "a repetition")
		require.Equal(t, http.StatusOK, call(http.MethodPut, "/v1/products/MUG-1", mugJSON, "If-Match", `*`).status)
	})
}

func TestAProductThatBreaksARuleIsRefused(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		for name, body := range map[string]string{
			"no name":            `{"price":{"amount":1,"currency":"EUR"}}`,
			"an empty name":      `{"name":"","price":{"amount":1,"currency":"EUR"}}`,
			"a blank name":       `{"name":"  ","price":{"amount":1,"currency":"EUR"}}`,
			"a long name":        `{"name":"` + strings.Repeat("a", 201) + `","price":{"amount":1,"currency":"EUR"}}`,
			"a long description": `{"name":"a","description":"` + strings.Repeat("a", 10_001) + `","price":{"amount":1,"currency":"EUR"}}`,
			"no price":           `{"name":"a"}`,
			"a negative price":   `{"name":"a","price":{"amount":-1,"currency":"EUR"}}`,
			"a price of cents":   `{"name":"a","price":{"amount":1.5,"currency":"EUR"}}`,
			"a huge price":       `{"name":"a","price":{"amount":9223372036854775808,"currency":"EUR"}}`,
			"a small currency":   `{"name":"a","price":{"amount":1,"currency":"eur"}}`,
			"no such currency":   `{"name":"a","price":{"amount":1,"currency":"QQQ"}}`,
			"a version":          `{"name":"a","price":{"amount":1,"currency":"EUR"},"version":7}`,
			"another SKU":        `{"sku":"MUG-2","name":"a","price":{"amount":1,"currency":"EUR"}}`,
			"activity in words":  `{"name":"a","price":{"amount":1,"currency":"EUR"},"active":"yes"}`,
		} {
			t.Run(name, func(t *testing.T) {
				require.Equal(t, http.StatusUnprocessableEntity, call(http.MethodPut, "/v1/products/MUG-1", body).status)
			})
		}
		for _, sku := range []string{"-a", ".", "a%20b", "a%2Fb", strings.Repeat("a", 65), "%C3%A4"} {
			require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusNotFound}, call(http.MethodPut, "/v1/products/"+sku, mugJSON).status, sku)
		}
		call(http.MethodGet, "/v1/products/MUG-1", "").problem(http.StatusNotFound, "product_not_found")
	})
}

func TestABatchAnswersWithItsCounts(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		item := func(sku, name string) string {
			return fmt.Sprintf(`{"sku":%q,"name":%q,"price":{"amount":1,"currency":"EUR"}}`, sku, name)
		}
		batch := func(items ...string) answer {
			return call(http.MethodPost, "/v1/products/batch", `{"products":[`+strings.Join(items, ",")+`]}`)
		}
		first := batch(item("A", "a"), item("B", "b"))
		require.Equal(t, http.StatusOK, first.status, first.body)
		require.JSONEq(t, `{"created":2,"updated":0,"unchanged":0}`, first.body)
		require.JSONEq(t, `{"created":1,"updated":1,"unchanged":1}`, batch(item("A", "a"), item("B", "other"), item("C", "c")).body)

		call(http.MethodPost, "/v1/products/batch", `{"products":[]}`).problem(http.StatusUnprocessableEntity, "invalid_input")
		twice := batch(item("D", "d"), item("D", "d"))
		twice.problem(http.StatusUnprocessableEntity, "invalid_product")
		require.Contains(t, twice.body, `"body.products[1].sku"`)
		many := make([]string, 1001)
		for i := range many {
			many[i] = item(fmt.Sprint("X", i), "x")
		}
		batch(many...).problem(http.StatusUnprocessableEntity, "invalid_input")
		require.JSONEq(t, `{"created":1000,"updated":0,"unchanged":0}`, batch(many[:1000]...).body)
	})
}

func TestAListIsReadPageByPage(t *testing.T) {
	overHTTP(t, func(t *testing.T, call client) {
		for i := range 7 {
			call(http.MethodPut, fmt.Sprint("/v1/products/MUG-", i), mugJSON)
		}
		call(http.MethodPut, "/v1/products/BOX", `{"name":"A box","price":{"amount":1,"currency":"EUR"}}`)
		for q, want := range map[string]int{"": 8, "blue": 7, "MUG-3": 1, "%": 0, "x": 1} {
			var skus []string
			for target := "/v1/products?limit=3&q=" + url.QueryEscape(q); target != ""; {
				a := call(http.MethodGet, target, "")
				require.Equal(t, http.StatusOK, a.status, a.body)
				var page struct {
					Data []struct{ SKU string }
					More bool    `json:"has_more"`
					Next *string `json:"next_cursor"`
				}
				a.into(&page)
				for _, p := range page.Data {
					skus = append(skus, p.SKU)
				}
				link, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
				require.Equal(t, page.More, link != "")
				require.Equal(t, page.More, page.Next != nil)
				target = link
			}
			require.Len(t, skus, want, q)
			require.IsIncreasing(t, append([]string{""}, skus...))
		}
		call(http.MethodGet, "/v1/products?after=!", "").problem(http.StatusUnprocessableEntity, "invalid_cursor")
		call(http.MethodGet, "/v1/products?limit=1000000000", "").problem(http.StatusUnprocessableEntity, "invalid_input")
	})
}
