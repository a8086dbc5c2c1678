package shipping

import (
	"context"
	"net/http"

	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
	"shop/internal/shipping/shippingapi"
)

type idInput struct {
	ID string `path:"id" pattern:"^shp_[0-9a-hjkmnp-tv-z]{26}$" example:"shp_01jd3q6k9v8xw2n4t7ryz5abcd"`
}

type listInput struct {
	web.PageParams
	OrderID string `query:"order_id" maxLength:"200" doc:"Only the shipments of this order; a customer must give it"`
	Status  string `query:"status" enum:"created,dispatched,delivered,returned,cancelled" doc:"Only these; created are those to be packed"`
}

type moveInput struct {
	ID   string `path:"id" pattern:"^shp_[0-9a-hjkmnp-tv-z]{26}$" example:"shp_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Body *moveBody
}

type moveBody struct {
	Carrier        string `json:"carrier,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"DHL"`
	TrackingNumber string `json:"tracking_number,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"00340434161094015902"`
}

type estimateInput struct{ Body estimateBody }

type estimateBody struct {
	Address estimateAddress `json:"shipping_address"`
	Items   []estimateItem  `json:"items" minItems:"1" maxItems:"100"`
}

// estimateAddress is an address of which only the country need be known yet.
type estimateAddress struct {
	Name       string `json:"name,omitempty" maxLength:"200"`
	Line1      string `json:"line1,omitempty" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city,omitempty" maxLength:"100"`
	Region     string `json:"region,omitempty" maxLength:"100"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2" example:"GB"`
	Phone      string `json:"phone,omitempty" maxLength:"40"`
}

type estimateItem struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"64" example:"MUG-BLUE-350"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000"`
}

type estimateReply struct {
	Options []estimateOption `json:"options" doc:"Cheapest first"`
}

type estimateOption struct {
	Service string      `json:"service" enum:"standard,express"`
	Price   money.Money `json:"price"`
	Days    int         `json:"days" doc:"Working days from dispatch to delivery"`
}

// Routes puts the operations on the edge.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Shipments"}
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/shipments", ID: "list-shipments", Summary: "List shipments, oldest first", Tags: tags,
	}, m.handleList)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/shipments/{id}", ID: "get-shipment", Summary: "Read a shipment", Tags: tags,
	}, func(ctx context.Context, in *idInput) (shippingapi.Shipment, error) {
		s, err := m.shipmentFor(ctx, auth.From(ctx), in.ID)
		telemetry.NoteKey(ctx, s.Reference)
		return s, err
	})

	move := func(verb, summary, doc string, next status) {
		web.Register(e.API, web.Op{
			Method: http.MethodPost, Path: "/v1/shipments/{id}/" + verb, ID: verb + "-shipment", Summary: summary, Tags: tags,
			Doc: doc + " A repetition changes nothing, so it needs no Idempotency-Key.", Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
		}, func(ctx context.Context, in *moveInput) (shippingapi.Shipment, error) {
			return m.move(ctx, in.ID, next, in.parcel())
		})
	}
	move("dispatch", "The carrier has it", "From then on it cannot be cancelled.", dispatched)
	move("deliver", "The customer has it", "Carrier and tracking number can be added if they were not known at dispatch.", delivered)
	move("return", "It came back", "Refused, undeliverable, or sent back by the customer.", returned)

	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/shipping/estimates", ID: "estimate-shipping", Summary: "What shipping costs", Tags: tags,
		Doc: "By country and number of units; nothing is stored.", Public: true,
	}, m.handleEstimate)
}

func (in *moveInput) parcel() parcel {
	if in.Body == nil {
		return parcel{}
	}
	return parcel{in.Body.Carrier, in.Body.TrackingNumber}
}

// ErrWhichOrder: a customer has no list of all shipments.
var ErrWhichOrder = fault.New(fault.Invalid, "order_id_required", "say whose shipments: order_id").
	With(fault.Field{Location: "query.order_id", Detail: "one of your orders"})

func (m *Module) handleList(ctx context.Context, in *listInput) (web.Page[shippingapi.Shipment], error) {
	f := filter{reference: in.OrderID, status: in.Status, limit: in.Limit + 1}
	asks := auth.From(ctx)
	if f.reference == "" && !asks.Has(auth.Operator, auth.Service) {
		return web.Page[shippingapi.Shipment]{}, ErrWhichOrder
	}
	if at, err := web.ParseCursor(in.After, 1); err != nil {
		return web.Page[shippingapi.Shipment]{}, err
	} else if at != nil {
		f.after = at[0]
	}
	rows, err := m.listFor(ctx, asks, f)
	if err != nil {
		return web.Page[shippingapi.Shipment]{}, err
	}
	return web.NewPage(rows, in.Limit, func(last shippingapi.Shipment) string { return web.Cursor(last.ID) }), nil
}

func (m *Module) handleEstimate(_ context.Context, in *estimateInput) (estimateReply, error) {
	var units int64
	for _, item := range in.Body.Items {
		units += item.Quantity
	}
	var reply estimateReply
	for _, o := range m.rates.Options(in.Body.Address.Country, units) {
		reply.Options = append(reply.Options, estimateOption(o))
	}
	return reply, nil
}
