package catalog

import (
	"context"
	"net/http"
	"strings"
	"time"

	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/money"
	"shop/internal/platform/web"
)

// productBody is a product as clients see it.
type productBody struct {
	SKU         string      `json:"sku" example:"MUG-BLUE-350"`
	Name        string      `json:"name" example:"Blue mug, 350 ml"`
	Description string      `json:"description"`
	Price       money.Money `json:"price"`
	Active      bool        `json:"active" doc:"Whether it can be ordered"`
	Version     int64       `json:"version" doc:"Counts the changes, from 1; the ETag"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

func bodyOf(p product) productBody {
	return productBody{
		SKU: p.SKU, Name: p.Name, Description: p.Description, Price: money.Money{Amount: p.Amount, Currency: p.Currency},
		Active: p.Active, Version: p.Version, CreatedAt: web.Time(p.CreatedAt), UpdatedAt: web.Time(p.UpdatedAt),
	}
}

// putBody says what a product shall be.
type putBody struct {
	Name        string      `json:"name" minLength:"1" maxLength:"200" example:"Blue mug, 350 ml"`
	Description string      `json:"description,omitempty" maxLength:"10000"`
	Price       money.Money `json:"price" doc:"Not negative"`
	Active      *bool       `json:"active,omitempty" doc:"Whether it can be ordered; true if left out"`
}

func (b putBody) spec(sku string) spec {
	return spec{SKU: sku, Name: b.Name, Description: b.Description, Price: b.Price, Active: b.Active == nil || *b.Active}
}

type putInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"64" example:"MUG-BLUE-350"`
	IfMatch     string `header:"If-Match" doc:"ETag: change the product only if it is still that version"`
	IfNoneMatch string `header:"If-None-Match" doc:"*: only if there is no such product yet" example:"*"`
	Body        putBody
}

type batchBody struct {
	Products []batchItem `json:"products" minItems:"1" maxItems:"1000" doc:"Each SKU once"`
}

// batchItem is putBody with its SKU; not embedded, because the OpenAPI document would not show what an unexported struct brings along.
type batchItem struct {
	SKU         string      `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"64" example:"MUG-BLUE-350"`
	Name        string      `json:"name" minLength:"1" maxLength:"200" example:"Blue mug, 350 ml"`
	Description string      `json:"description,omitempty" maxLength:"10000"`
	Price       money.Money `json:"price" doc:"Not negative"`
	Active      *bool       `json:"active,omitempty" doc:"Whether it can be ordered; true if left out"`
}

func (b batchItem) spec() spec {
	return putBody{b.Name, b.Description, b.Price, b.Active}.spec(b.SKU)
}

type batchReply struct {
	Created   int `json:"created" doc:"Products that are new"`
	Updated   int `json:"updated" doc:"Products that were changed"`
	Unchanged int `json:"unchanged" doc:"Products that were like that already"`
}

type batchInput struct{ Body batchBody }

type getInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"64" example:"MUG-BLUE-350"`
	IfNoneMatch string `header:"If-None-Match" doc:"ETags: answer 304 if the product is one of these versions"`
}

type listInput struct {
	web.PageParams
	Q   string   `query:"q" maxLength:"200" doc:"Part of the SKU or name, in any case" example:"mug"`
	SKU []string `query:"sku,explode" maxItems:"100" doc:"Only these; repeat it for several. One that is not known is left out" example:"[\"MUG-BLUE-350\"]"`
}

// operators say what is sold; who looks at it needs no token.
var operators = []auth.Role{auth.Operator}

// Routes puts the operations on the edge.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Products"}
	web.Register(e.API, web.Op{
		Method: http.MethodPut, Path: "/v1/products/{sku}", ID: "put-product", Summary: "Make or change a product", Tags: tags,
		Doc:     "Says what the product shall be: 201 if it is new, else 200. Saying the same again changes nothing.",
		Returns: productBody{}, Errors: []int{http.StatusPreconditionFailed}, Roles: operators,
	}, m.handlePut)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/products/batch", ID: "put-products", Summary: "Make or change up to 1000 products", Tags: tags,
		Doc: "All or nothing. Saying the same again changes nothing, so it needs no Idempotency-Key.", Roles: operators,
	}, m.handleBatch)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/products/{sku}", ID: "get-product", Summary: "Read a product", Tags: tags,
		Returns: productBody{}, Errors: []int{http.StatusNotModified}, Public: true,
	}, m.handleGet)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/products", ID: "list-products", Summary: "List or search products, by SKU", Tags: tags, Public: true,
	}, m.handleList)
}

func (m *Module) handlePut(ctx context.Context, in *putInput) (web.Raw, error) {
	allowed, err := putCondition(in)
	if err != nil {
		return web.Raw{}, err
	}
	out, err := m.put(ctx, in.Body.spec(in.SKU), allowed)
	if err != nil {
		return web.Raw{}, err
	}
	status := http.StatusOK
	if out.created == 1 {
		status = http.StatusCreated
	}
	raw, err := web.JSON(status, bodyOf(out.products[0]))
	if status == http.StatusCreated {
		raw = raw.With("Location", "/v1/products/"+in.SKU)
	}
	return raw.With("ETag", web.ETag(out.products[0].Version)), err
}

// errIfNoneMatch: a version that must not be stored cannot be a condition of a put; only that nothing is.
var errIfNoneMatch = fault.New(fault.Malformed, "invalid_condition", "with PUT, If-None-Match can only be *")

func putCondition(in *putInput) (condition, error) {
	version, present, err := web.IfMatch(in.IfMatch)
	switch {
	case err != nil:
		return nil, err
	case in.IfNoneMatch != "" && in.IfNoneMatch != "*":
		return nil, errIfNoneMatch
	case in.IfNoneMatch == "*":
		return func(stored product) bool { return stored.Version == 0 && in.IfMatch == "" }, nil
	case present:
		return func(stored product) bool { return stored.Version != 0 && stored.Version == version }, nil
	case in.IfMatch != "":
		return func(stored product) bool { return stored.Version != 0 }, nil
	}
	return always, nil
}

func (m *Module) handleBatch(ctx context.Context, in *batchInput) (batchReply, error) {
	specs := make([]spec, len(in.Body.Products))
	for i, item := range in.Body.Products {
		specs[i] = item.spec()
	}
	out, err := m.putMany(ctx, specs)
	return batchReply{Created: out.created, Updated: out.updated, Unchanged: out.unchanged}, err
}

func (m *Module) handleGet(ctx context.Context, in *getInput) (web.Raw, error) {
	p, err := m.product(ctx, in.SKU)
	if err != nil {
		return web.Raw{}, err
	}
	raw := web.Raw{Status: http.StatusNotModified}
	if !names(in.IfNoneMatch, web.ETag(p.Version)) {
		raw, err = web.JSON(http.StatusOK, bodyOf(p))
	}
	return raw.With("ETag", web.ETag(p.Version)).With("Cache-Control", "no-cache"), err // may be kept, but must be asked for again
}

// names reports whether an If-None-Match header names the tag, by weak comparison (RFC 9110, 13.1.2).
func names(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

func (m *Module) handleList(ctx context.Context, in *listInput) (web.Page[productBody], error) {
	after := ""
	if at, err := web.ParseCursor(in.After, 1); err != nil {
		return web.Page[productBody]{}, err
	} else if at != nil {
		after = at[0]
	}
	if len(in.SKU) > 0 {
		rows, err := m.named(ctx, in.SKU, in.Q, after, in.Limit+1)
		return pageOf(rows, in.Limit), err
	}
	if in.Q != "" {
		rows, err := m.search(ctx, in.Q, after, in.Limit+1)
		return pageOf(rows, in.Limit), err
	}
	page, _, err := m.pages.Get(ctx, pageKey{after, in.Limit})
	return page, err
}

func pageOf(rows []product, limit int) web.Page[productBody] {
	bodies := make([]productBody, len(rows))
	for i, p := range rows {
		bodies[i] = bodyOf(p)
	}
	return web.NewPage(bodies, limit, func(last productBody) string { return web.Cursor(last.SKU) })
}
