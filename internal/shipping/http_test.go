package shipping

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/id"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// client speaks to the context over HTTP, without a socket.
type client func(method, target, body string, headers ...string) answer

func overHTTP(t *testing.T, test func(t *testing.T, s *stage, call client)) {
	t.Helper()
	onStage(t, func(t *testing.T, s *stage) {
		edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
		s.Routes(edge)
		test(t, s, func(method, target, body string, headers ...string) answer {
			var content io.Reader
			if body != "" {
				content = strings.NewReader(body)
			}
			r := httptest.NewRequestWithContext(t.Context(), method, target, content)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			edge.Handler().ServeHTTP(w, r)
			return answer{t, w.Code, w.Header(), w.Body.String()}
		})
	})
}

func (a answer) shipment() shippingapi.Shipment {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.status, a.body)
	var s shippingapi.Shipment
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &s), a.body)
	return s
}

func (a answer) problem(status int, code string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	var p web.Problem
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &p), a.body)
	require.Equal(a.t, code, p.Code)
}

func TestAShipmentIsReadByItsIDAndItsOrder(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		made := s.created(t, "ord_1")
		read := call(http.MethodGet, "/v1/shipments/"+made.ID, "")
		require.Equal(t, made, read.shipment())
		var raw map[string]any
		require.NoError(t, json.Unmarshal([]byte(read.body), &raw))
		require.Equal(t, "ord_1", raw["order_id"])
		require.Equal(t, []any{map[string]any{"sku": "MUG-1", "quantity": 2.0}, map[string]any{"sku": "CUP-1", "quantity": 1.0}}, raw["items"])
		require.NotContains(t, raw, "dispatched_at")

		list := call(http.MethodGet, "/v1/shipments?order_id=ord_1", "")
		require.Equal(t, http.StatusOK, list.status)
		var page web.Page[shippingapi.Shipment]
		require.NoError(t, json.Unmarshal([]byte(list.body), &page))
		require.Equal(t, []shippingapi.Shipment{made}, page.Data)

		require.JSONEq(t, `{"data":[],"has_more":false,"next_cursor":null}`, call(http.MethodGet, "/v1/shipments?order_id=ord_2", "").body)
		call(http.MethodGet, "/v1/shipments/"+id.New("shp"), "").problem(http.StatusNotFound, "shipment_not_found")
		require.Equal(t, http.StatusNotFound, call(http.MethodGet, "/v1/shipments/'%20OR%201=1", "").status)
	})
}

func TestACustomerDoesNotSeeAnothersShipment(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		own := s.created(t, "ord_1") // ann's
		orphan := order("ord_2")
		orphan.Owner = ""
		s.send(t, orphan)
		s.settle(t)
		ann, bob := authtest.AsCustomer("ann"), authtest.AsCustomer("bob")
		const none = `{"data":[],"has_more":false,"next_cursor":null}`

		require.Equal(t, own, call(http.MethodGet, "/v1/shipments/"+own.ID, "", ann...).shipment())
		require.Equal(t, own, call(http.MethodGet, "/v1/shipments/"+own.ID, "", authtest.AsService()...).shipment())
		require.Contains(t, call(http.MethodGet, "/v1/shipments?order_id=ord_1", "", ann...).body, own.ID)
		call(http.MethodGet, "/v1/shipments/"+own.ID, "", bob...).problem(http.StatusNotFound, "shipment_not_found")
		call(http.MethodGet, "/v1/shipments/"+s.only(t, "ord_2").ID, "", ann...).problem(http.StatusNotFound, "shipment_not_found")
		for _, query := range []string{"order_id=ord_1", "order_id=ord_1&status=created", "order_id=ord_2", "order_id=ord_3"} {
			require.JSONEq(t, none, call(http.MethodGet, "/v1/shipments?"+query, "", bob...).body)
		}
		for _, query := range []string{"", "?status=created", "?order_id="} {
			call(http.MethodGet, "/v1/shipments"+query, "", ann...).problem(http.StatusUnprocessableEntity, "order_id_required")
		}
		for _, verb := range []string{"dispatch", "deliver", "return"} {
			call(http.MethodPost, "/v1/shipments/"+own.ID+"/"+verb, "", ann...).problem(http.StatusForbidden, "forbidden")
			call(http.MethodPost, "/v1/shipments/"+own.ID+"/"+verb, "", authtest.AsService()...).problem(http.StatusForbidden, "forbidden")
			call(http.MethodPost, "/v1/shipments/"+own.ID+"/"+verb, "", authtest.AsNobody()...).problem(http.StatusUnauthorized, "unauthorized")
		}
		call(http.MethodGet, "/v1/shipments/"+own.ID, "", authtest.AsNobody()...).problem(http.StatusUnauthorized, "unauthorized")
		require.Equal(t, "created", s.only(t, "ord_1").Status)
		estimate := call(http.MethodPost, "/v1/shipping/estimates", `{"shipping_address":{"country":"GB"},"items":[{"sku":"MUG-1","quantity":1}]}`, authtest.AsNobody()...)
		require.Equal(t, http.StatusOK, estimate.status, "anybody may ask what shipping costs")
	})
}

func TestATombstoneIsNobodysShipment(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		s.send(t, cancelOf("ord_1"))
		s.settle(t)
		var hidden string
		require.NoError(t, s.db.Get(t.Context(), &hidden, `SELECT id FROM shipments`))
		call(http.MethodGet, "/v1/shipments/"+hidden, "").problem(http.StatusNotFound, "shipment_not_found")
		call(http.MethodPost, "/v1/shipments/"+hidden+"/dispatch", "{}").problem(http.StatusNotFound, "shipment_not_found")
		for _, query := range []string{"", "?order_id=ord_1", "?status=cancelled"} {
			require.JSONEq(t, `{"data":[],"has_more":false,"next_cursor":null}`, call(http.MethodGet, "/v1/shipments"+query, "").body)
		}
	})
}

func TestAShipmentIsDispatchedDeliveredAndReturnedEachOnce(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		made := s.created(t, "ord_1")
		target := "/v1/shipments/" + made.ID
		dhl := `{"carrier":"DHL","tracking_number":"42"}`
		call(http.MethodPost, target+"/deliver", "").problem(http.StatusConflict, "illegal_transition")

		sent := call(http.MethodPost, target+"/dispatch", dhl).shipment()
		require.Equal(t, "dispatched", sent.Status)
		require.Equal(t, "DHL", sent.Carrier)
		require.Equal(t, "42", sent.TrackingNumber)
		require.NotNil(t, sent.DispatchedAt)
		require.Equal(t, made.Lines, sent.Lines)
		require.Equal(t, sent, call(http.MethodPost, target+"/dispatch", dhl).shipment())
		require.Equal(t, sent, call(http.MethodPost, target+"/dispatch", "").shipment())
		require.Equal(t, sent, call(http.MethodGet, target, "").shipment())
		call(http.MethodPost, target+"/dispatch", `{"carrier":"UPS"}`).problem(http.StatusConflict, "illegal_transition")

		arrived := call(http.MethodPost, target+"/deliver", "{}").shipment()
		require.Equal(t, "delivered", arrived.Status)
		require.NotNil(t, arrived.DeliveredAt)
		require.Equal(t, arrived, call(http.MethodPost, target+"/deliver", "").shipment())
		call(http.MethodPost, target+"/dispatch", dhl).problem(http.StatusConflict, "illegal_transition")

		back := call(http.MethodPost, target+"/return", "").shipment()
		require.Equal(t, "returned", back.Status)
		require.NotNil(t, back.ReturnedAt)
		s.settle(t)
		require.Equal(t, []string{"created " + made.ID, "dispatched " + made.ID + " by DHL 42", "delivered " + made.ID, "returned " + made.ID}, s.story("ord_1"))
	})
}

func TestWhatAnOperatorSendsIsChecked(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		made := s.created(t, "ord_1")
		for _, body := range []string{
			`{"carrier":1}`, `{"status":"delivered"}`, `{"carrier":"a\nb"}`, `{"tracking_number":"` + strings.Repeat("1", 101) + `"}`,
		} {
			require.Equal(t, http.StatusUnprocessableEntity, call(http.MethodPost, "/v1/shipments/"+made.ID+"/dispatch", body).status, body)
		}
		call(http.MethodPost, "/v1/shipments/"+id.New("shp")+"/dispatch", "{}").problem(http.StatusNotFound, "shipment_not_found")
		require.Equal(t, "created", s.only(t, "ord_1").Status)
	})
}

func TestShipmentsAreListedByStatusPageByPage(t *testing.T) {
	overHTTP(t, func(t *testing.T, s *stage, call client) {
		for i, ref := range references(7) {
			made := s.created(t, ref)
			if i >= 5 {
				require.Equal(t, http.StatusOK, call(http.MethodPost, "/v1/shipments/"+made.ID+"/dispatch", "").status)
			}
		}
		for query, want := range map[string]int{
			"": 7, "&status=created": 5, "&status=dispatched": 2, "&status=delivered": 0,
			"&order_id=ord_003": 1, "&order_id=ord_003&status=created": 1, "&order_id=ord_003&status=dispatched": 0,
		} {
			var ids []string
			for target := "/v1/shipments?limit=2" + query; target != ""; {
				a := call(http.MethodGet, target, "")
				require.Equal(t, http.StatusOK, a.status, a.body)
				var page web.Page[shippingapi.Shipment]
				require.NoError(t, json.Unmarshal([]byte(a.body), &page))
				for _, one := range page.Data {
					ids = append(ids, one.ID)
				}
				target, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
			}
			require.Len(t, ids, want, query)
			require.IsIncreasing(t, append([]string{""}, ids...))
		}
		require.Equal(t, http.StatusUnprocessableEntity, call(http.MethodGet, "/v1/shipments?status=lost", "").status)
	})
}

func TestAnEstimateNeedsACountryAndUnits(t *testing.T) {
	overHTTP(t, func(t *testing.T, _ *stage, call client) {
		estimate := func(address, items string) answer {
			return call(http.MethodPost, "/v1/shipping/estimates", fmt.Sprintf(`{"shipping_address":%s,"items":%s}`, address, items))
		}
		three := `[{"sku":"MUG-1","quantity":2},{"sku":"CUP-1","quantity":1}]`
		reply := estimate(`{"country":"DE"}`, three)
		require.Equal(t, http.StatusOK, reply.status, reply.body)
		require.JSONEq(t, `{"options":[
			{"service":"standard","price":{"amount":590,"currency":"EUR"},"days":3},
			{"service":"express","price":{"amount":1150,"currency":"EUR"},"days":1}]}`, reply.body)
		full := `{"name":"Ada","line1":"12 St James's Square","city":"London","postal_code":"SW1Y 4JH","country":"GB"}`
		require.Equal(t, http.StatusOK, estimate(full, three).status)

		for _, c := range [][2]string{
			{`{}`, three}, {`{"country":"Germany"}`, three}, {`{"country":"de"}`, three}, {`{"country":"DE"}`, `[]`},
			{`{"country":"DE"}`, `[{"sku":"MUG-1","quantity":0}]`}, {`{"country":"DE"}`, `[{"sku":"MUG-1","quantity":10001}]`},
			{`{"country":"DE"}`, `[{"sku":"MUG-1"}]`}, {`{"country":"DE"}`, `[{"sku":"a b","quantity":1}]`},
			{`{"country":"DE"}`, `[` + strings.Repeat(`{"sku":"A","quantity":1},`, 100) + `{"sku":"A","quantity":1}]`},
		} {
			require.Equal(t, http.StatusUnprocessableEntity, estimate(c[0], c[1]).status, c)
		}
	})
}
