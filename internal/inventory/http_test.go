package inventory

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/web"
)

// client asks a house over HTTP.
type client struct {
	*house
	url  string
	http *http.Client
	keys int
}

func overHTTP(t *testing.T, test func(t *testing.T, c *client)) {
	inEach(t, func(t *testing.T, h *house) { test(t, h.client()) })
}

func (h *house) client() *client {
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	h.m.Routes(edge)
	server := httptest.NewServer(edge.Handler())
	h.t.Cleanup(server.Close)
	return &client{house: h, url: server.URL, http: server.Client()}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *client) get(path string, headers ...string) answer {
	return c.send(http.MethodGet, path, "", "", headers...)
}

// post sends the body with a new Idempotency-Key.
func (c *client) post(path, body string) answer {
	c.keys++
	return c.send(http.MethodPost, path, fmt.Sprintf("key-%d", c.keys), body)
}

func (c *client) send(method, path, key, body string, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

// requireProblem holds an answer to a status and a code, and returns the locations it names.
func requireProblem(t *testing.T, a answer, status int, code string) (locations []string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	var p web.Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, code, p.Code, a.body)
	for _, e := range p.Errors {
		locations = append(locations, e.Location)
	}
	return locations
}

func TestGoodsThatAreReceivedCanBeSeen(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		requireProblem(t, c.get("/v1/inventory/MUG"), http.StatusNotFound, "stock_not_found")
		requireProblem(t, c.get("/v1/inventory/MUG/movements"), http.StatusNotFound, "stock_not_found")

		a := c.post("/v1/inventory/MUG/movements", `{"quantity":100,"reason":"received","reference":"DN-1"}`)
		require.Equal(t, http.StatusCreated, a.status, a.body)
		moved := decoded[map[string]any](t, []byte(a.body))
		require.Regexp(t, `^mov_[0-9a-z]{26}$`, moved["id"])
		delete(moved, "id")
		require.Equal(t, map[string]any{"sku": "MUG", "quantity": 100.0, "reason": "received", "reference": "DN-1", "recorded_at": "2026-11-22T12:00:00Z",
			"on_hand": 100.0, "reserved": 0.0, "available": 100.0}, moved)

		c.tell(reserve("ord_1", line("MUG", 30)))
		require.JSONEq(t, `{"sku":"MUG","on_hand":100,"reserved":30,"available":70}`, c.get("/v1/inventory/MUG").body)
	})
}

func TestEverybodySeesWhatIsAvailableAndOperatorsSeeWhy(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.post("/v1/inventory/MUG/movements", `{"quantity":100,"reason":"received"}`)
		c.tell(reserve("ord_1", line("MUG", 30)))
		const public, whole = `{"sku":"MUG","available":70}`, `{"sku":"MUG","on_hand":100,"reserved":30,"available":70}`
		for _, headers := range [][]string{authtest.AsNobody(), authtest.AsCustomer("cus_1")} {
			require.JSONEq(t, public, c.get("/v1/inventory/MUG", headers...).body)
			require.JSONEq(t, `{"data":[`+public+`],"has_more":false,"next_cursor":null}`, c.get("/v1/inventory", headers...).body)
			require.JSONEq(t, `{"available":true,"items":[{"sku":"MUG","requested":1,"available":70}]}`,
				c.send(http.MethodPost, "/v1/inventory/check", "", `{"items":[{"sku":"MUG","quantity":1}]}`, headers...).body)
		}
		require.JSONEq(t, whole, c.get("/v1/inventory/MUG", authtest.AsService()...).body)
		require.JSONEq(t, `{"data":[`+whole+`],"has_more":false,"next_cursor":null}`, c.get("/v1/inventory", authtest.AsService()...).body)
		require.Equal(t, http.StatusOK, c.get("/v1/inventory/MUG/movements", authtest.AsService()...).status)
		requireProblem(t, c.get("/v1/inventory/MUG/movements", authtest.AsCustomer("cus_1")...), http.StatusForbidden, "forbidden")
		requireProblem(t, c.get("/v1/inventory/MUG/movements", authtest.AsNobody()...), http.StatusUnauthorized, "unauthorized")
	})
}

func TestOnlyAnOperatorMovesStock(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		const one, batch = `{"quantity":5,"reason":"received"}`, `{"movements":[{"sku":"MUG","quantity":5,"reason":"received"}]}`
		for path, body := range map[string]string{"/v1/inventory/MUG/movements": one, "/v1/inventory/batch": batch} {
			for _, headers := range [][]string{authtest.AsCustomer("cus_1"), authtest.AsService()} {
				requireProblem(t, c.send(http.MethodPost, path, "k", body, headers...), http.StatusForbidden, "forbidden")
			}
			requireProblem(t, c.send(http.MethodPost, path, "k", body, authtest.AsNobody()...), http.StatusUnauthorized, "unauthorized")
		}
		requireProblem(t, c.get("/v1/inventory/MUG"), http.StatusNotFound, "stock_not_found")
	})
}

func TestAMovementSentTwiceMovesOnce(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		const path, body = "/v1/inventory/MUG/movements", `{"quantity":5,"reason":"received"}`
		first := c.send(http.MethodPost, path, "k", body)
		again := c.send(http.MethodPost, path, "k", body)
		require.Equal(t, http.StatusCreated, again.status)
		require.Equal(t, first.body, again.body)
		requireProblem(t, c.send(http.MethodPost, path, "k", `{"quantity":6,"reason":"received"}`), http.StatusUnprocessableEntity, "idempotency_key_reused")
		requireProblem(t, c.send(http.MethodPost, path, "", body), http.StatusBadRequest, "idempotency_key_missing")
		c.requireLevel("MUG", 5, 0)

		const batch = `{"movements":[{"sku":"MUG","quantity":5,"reason":"received"}]}`
		first, again = c.send(http.MethodPost, "/v1/inventory/batch", "k", batch), c.send(http.MethodPost, "/v1/inventory/batch", "k", batch)
		require.Equal(t, first.body, again.body)
		requireProblem(t, c.send(http.MethodPost, "/v1/inventory/batch", "", batch), http.StatusBadRequest, "idempotency_key_missing")
		c.requireLevel("MUG", 10, 0)
	})
}

func TestUnitsThatAreReservedCannotLeave(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 10)
		c.tell(reserve("ord_1", line("MUG", 4)))
		require.Equal(t, http.StatusCreated, c.post("/v1/inventory/MUG/movements", `{"quantity":-6,"reason":"damaged"}`).status)
		for _, body := range []string{`{"quantity":-1,"reason":"damaged"}`, `{"quantity":-1,"reason":"adjusted"}`, `{"quantity":-1000000000,"reason":"adjusted"}`} {
			a := c.post("/v1/inventory/MUG/movements", body)
			require.Equal(t, []string{"body.quantity"}, requireProblem(t, a, http.StatusConflict, "insufficient_stock"))
		}
		c.requireLevel("MUG", 4, 4)
	})
}

func TestAQuantityMustFitItsReason(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 10)
		fits := func(quantity int, reason string) bool {
			a := c.post("/v1/inventory/MUG/movements", fmt.Sprintf(`{"quantity":%d,"reason":%q}`, quantity, reason))
			if a.status == http.StatusCreated {
				return true
			}
			require.Equal(t, []string{"body.quantity"}, requireProblem(t, a, http.StatusUnprocessableEntity, "invalid_quantity"))
			return false
		}
		for reason, want := range map[string][3]bool{
			"received": {false, false, true}, "returned": {false, false, true}, "damaged": {true, false, false}, "adjusted": {true, false, true},
		} {
			require.Equal(t, want, [3]bool{fits(-1, reason), fits(0, reason), fits(1, reason)}, reason)
		}
		c.requireLevel("MUG", 11, 0)
	})
}

func TestInputThatBreaksTheRulesIsRefused(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 10)
		requireProblem(t, c.get("/v1/inventory/-MUG"), http.StatusNotFound, "not_found")
		requireProblem(t, c.get("/v1/inventory/"+strings.Repeat("M", 65)), http.StatusNotFound, "not_found")
		requireProblem(t, c.get("/v1/inventory?after=nonsense!"), http.StatusUnprocessableEntity, "invalid_cursor")
		for body, code := range map[string]string{
			`{"quantity":1,"reason":"shipped"}`:                      "invalid_input", // only ShipStock ships
			`{"quantity":1,"reason":"found"}`:                        "invalid_input",
			`{"quantity":1.5,"reason":"received"}`:                   "invalid_input",
			`{"quantity":1000000001,"reason":"received"}`:            "invalid_input",
			`{"quantity":9223372036854775808,"reason":"adjusted"}`:   "invalid_input",
			`{"reason":"received"}`:                                  "invalid_input",
			`{"quantity":1,"reason":"received","on_hand":7}`:         "unknown_field",
			`{"quantity":1,"reason":"received","Reason":"received"}`: "unknown_field",
		} {
			requireProblem(t, c.post("/v1/inventory/MUG/movements", body), http.StatusUnprocessableEntity, code)
		}
		for _, body := range []string{
			`{"movements":[]}`, `{"movements":[{"sku":"a b","quantity":1,"reason":"received"}]}`,
			`{"movements":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"A","quantity":1,"reason":"received"},`, 1001), ",") + `]}`,
		} {
			requireProblem(t, c.post("/v1/inventory/batch", body), http.StatusUnprocessableEntity, "invalid_input")
		}
		for _, body := range []string{`{"items":[]}`, `{"items":[{"sku":"MUG","quantity":0}]}`, `{"items":[{"sku":"MUG","quantity":10001}]}`, `{"items":[{"sku":"","quantity":1}]}`} {
			requireProblem(t, c.post("/v1/inventory/check", body), http.StatusUnprocessableEntity, "invalid_input")
		}
		c.requireLevel("MUG", 10, 0)
	})
}

func TestOnlyReceivingMakesASKUKnown(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		for _, body := range []string{`{"quantity":5,"reason":"adjusted"}`, `{"quantity":5,"reason":"returned"}`, `{"quantity":-5,"reason":"damaged"}`} {
			requireProblem(t, c.post("/v1/inventory/MUG/movements", body), http.StatusNotFound, "stock_not_found")
		}
		a := c.post("/v1/inventory/batch", `{"movements":[{"sku":"CUP","quantity":5,"reason":"received"},{"sku":"MUG","quantity":5,"reason":"returned"}]}`)
		require.Equal(t, []string{"body.movements[1].sku"}, requireProblem(t, a, http.StatusUnprocessableEntity, "unknown_sku"))
		requireProblem(t, c.get("/v1/inventory/CUP"), http.StatusNotFound, "stock_not_found")
	})
}

func TestABatchOfMovementsIsAllOrNothing(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 10)
		c.tell(reserve("ord_1", line("MUG", 8)))
		a := c.post("/v1/inventory/batch", `{"movements":[
			{"sku":"CUP","quantity":5,"reason":"received"},
			{"sku":"MUG","quantity":-2,"reason":"damaged"},
			{"sku":"MUG","quantity":-1,"reason":"adjusted"}]}`)
		require.Equal(t, []string{"body.movements[1].quantity", "body.movements[2].quantity"}, requireProblem(t, a, http.StatusConflict, "insufficient_stock"))
		requireProblem(t, c.get("/v1/inventory/CUP"), http.StatusNotFound, "stock_not_found")
		c.requireLevel("MUG", 10, 8)

		a = c.post("/v1/inventory/batch", `{"movements":[
			{"sku":"MUG","quantity":-2,"reason":"damaged"},
			{"sku":"MUG","quantity":-1,"reason":"adjusted"},
			{"sku":"MUG","quantity":4,"reason":"received","reference":"DN-2"},
			{"sku":"CUP","quantity":5,"reason":"received"},
			{"sku":"CUP","quantity":-5,"reason":"damaged"}]}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.JSONEq(t, `{"applied":5,"stock":[{"sku":"CUP","on_hand":0,"reserved":0,"available":0},{"sku":"MUG","on_hand":11,"reserved":8,"available":3}]}`, a.body)
	})
}

func TestStockIsListedPageByPage(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		for i := range 5 {
			c.receive(fmt.Sprintf("SKU-%d", i), int64(i+1))
		}
		var seen []string
		path, pages := "/v1/inventory?limit=2", 0
		for path != "" {
			a := c.get(path)
			require.Equal(t, http.StatusOK, a.status, a.body)
			page := decoded[web.Page[inventoryapi.Level]](t, []byte(a.body))
			for _, l := range page.Data {
				seen = append(seen, fmt.Sprintf("%s:%d", l.SKU, l.Available))
			}
			pages++
			path = ""
			if page.HasMore {
				path = "/v1/inventory?limit=2&after=" + *page.NextCursor
				require.Contains(t, a.header.Get("Link"), *page.NextCursor)
			}
		}
		require.Equal(t, 3, pages)
		require.Equal(t, []string{"SKU-0:1", "SKU-1:2", "SKU-2:3", "SKU-3:4", "SKU-4:5"}, seen)
	})
}

func TestTheLedgerIsListedNewestFirst(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 100)
		c.receive("CUP", 100)
		c.tell(reserve("ord_1", line("MUG", 3)), commitOf("ord_1"), shipOf("ord_1"))
		c.post("/v1/inventory/MUG/movements", `{"quantity":-2,"reason":"damaged","reference":"fell"}`)
		rows, err := c.m.movementsBefore(t.Context(), "MUG", "", 10)
		require.NoError(t, err)
		require.Len(t, rows, 3)
		var got []string
		for path := "/v1/inventory/MUG/movements?limit=2"; path != ""; {
			page := decoded[web.Page[movementAnswer]](t, []byte(c.get(path).body))
			for _, mv := range page.Data {
				got = append(got, mv.ID)
			}
			path = ""
			if page.HasMore {
				path = "/v1/inventory/MUG/movements?limit=2&after=" + *page.NextCursor
			}
		}
		require.Equal(t, []string{rows[0].ID, rows[1].ID, rows[2].ID}, got)
		require.Greater(t, rows[0].ID, rows[1].ID)
	})
}

func TestACheckSumsWhatIsAskedForOfOneSKU(t *testing.T) {
	overHTTP(t, func(t *testing.T, c *client) {
		c.receive("MUG", 10)
		c.receive("CUP", 1)
		c.tell(reserve("ord_1", line("MUG", 4)))
		a := c.send(http.MethodPost, "/v1/inventory/check", "", `{"items":[{"sku":"MUG","quantity":4},{"sku":"CUP","quantity":1},{"sku":"MUG","quantity":2}]}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.JSONEq(t, `{"available":true,"items":[{"sku":"MUG","requested":6,"available":6},{"sku":"CUP","requested":1,"available":1}]}`, a.body)
		a = c.send(http.MethodPost, "/v1/inventory/check", "", `{"items":[{"sku":"MUG","quantity":7},{"sku":"JUG","quantity":1}]}`)
		require.JSONEq(t, `{"available":false,"items":[{"sku":"MUG","requested":7,"available":6},{"sku":"JUG","requested":1,"available":0}]}`, a.body)
	})
}

func TestParallelMovementsOfOneSKUAllCount(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		h := newHouse(t, dbtest.OpenWith(t, sqldb.Config{Context: "inventory", URL: url, Lanes: 4}))
		c := h.client()
		var clients sync.WaitGroup
		outcomes := make(chan int, 100)
		for i := range 100 {
			clients.Go(func() {
				path, body := "/v1/inventory/MUG/movements", `{"quantity":1,"reason":"received"}`
				if i%2 == 0 { // in another lane
					path, body = "/v1/inventory/batch", `{"movements":[{"sku":"MUG","quantity":1,"reason":"received"},{"sku":"CUP","quantity":1,"reason":"received"}]}`
				}
				outcomes <- c.send(http.MethodPost, path, fmt.Sprint("parallel-", i), body).status
			})
		}
		clients.Wait()
		close(outcomes)
		count := map[int]int{}
		for status := range outcomes {
			count[status]++
		}
		require.Equal(t, map[int]int{http.StatusCreated: 50, http.StatusOK: 50}, count)
		h.requireLevel("MUG", 100, 0)
		h.requireLevel("CUP", 50, 0)
		h.requireSound()
	})
}

func TestEverySKUInTheDocumentHasThePublishedPattern(t *testing.T) {
	dbtest.Each(t, "inventory", func(t *testing.T, db *sqldb.DB) {
		doc := newHouse(t, db).client().get("/openapi.json").body
		require.Equal(t, 5, strings.Count(doc, string(sqldb.Marshal(inventoryapi.SKUPattern))), "path parameters and bodies")
		for sku, valid := range map[string]bool{
			"A": true, "0": true, "mug_BLUE-2.5": true, strings.Repeat("a", 64): true,
			"": false, "-a": false, ".a": false, "_a": false, "a b": false, "é": false, "a/b": false, "a\x00": false, strings.Repeat("a", 65): false,
		} {
			require.Equal(t, valid, inventoryapi.ValidSKU(sku), "%q", sku)
		}
	})
}
