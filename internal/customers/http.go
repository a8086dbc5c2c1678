package customers

import (
	"context"
	"net/http"
	"regexp"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/id"
	"shop/internal/platform/web"
)

// What a customer's id looks like: the subjects that issuers of tokens give, such as a number, a UUID, auth0|5f7c or cus_….
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$`)

const idLength = 255

type registerInput struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"Optional: names this registration, so that a repetition is answered with the same profile"`
	Body           registerBody
}

type registerBody struct {
	ID        string        `json:"id,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255" doc:"For operators and services: the subject of the customer's tokens; a new id if it is missing. A customer's own is always the subject of their token"`
	Name      string        `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"Ada Lovelace"`
	Email     string        `json:"email" format:"email" maxLength:"254" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"ada@example.org"`
	Phone     string        `json:"phone,omitempty" maxLength:"40" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"+44 20 7946 0000"`
	Addresses []addressBody `json:"addresses,omitempty" maxItems:"50"`
}

type getInput struct {
	ID          string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255" example:"cus_01jd3q6k9v8xw2n4t7ryz5abcd"`
	IfNoneMatch string `header:"If-None-Match" doc:"ETags: answer 304 if the profile is one of these versions"`
}

type listInput struct {
	web.PageParams
	Email string `query:"email" maxLength:"254" doc:"Only those with this address, in whatever case"`
}

type patchInput struct {
	ID      string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"ETag: change the profile only if it is still that version"`
	Body    patchBody
}

type eraseInput struct {
	ID      string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"ETag: erase the customer only if the profile is still that version"`
}

// Routes puts the operations on the edge.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Customers"}
	etag := map[string]string{"ETag": "The version of the profile"}
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/customers", ID: "register-customer", Summary: "Make a profile", Tags: tags,
		Doc:    "A customer makes their own: its id is the subject of their token. Operators and services make anybody's.",
		Status: http.StatusCreated, Returns: customersapi.Customer{}, Errors: []int{http.StatusConflict, http.StatusGone},
		Headers: map[string]string{"Location": "Where the profile is", "ETag": "The version of the profile"},
	}, m.handleRegister)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/customers/{id}", ID: "get-customer", Summary: "Read a profile", Tags: tags,
		Doc:     "One's own; operators and services read everybody's. A customer who was erased is 410.",
		Returns: customersapi.Customer{}, Also: []int{http.StatusNotModified}, Errors: []int{http.StatusGone}, Headers: etag,
	}, m.handleGet)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/customers", ID: "list-customers", Summary: "List profiles, by id", Tags: tags,
		Roles: []auth.Role{auth.Operator, auth.Service},
	}, m.handleList)
	web.Register(e.API, web.Op{
		Method: http.MethodPatch, Path: "/v1/customers/{id}", ID: "change-customer", Summary: "Change a profile", Tags: tags,
		Doc:     "A merge patch (RFC 7396): what is missing stays as it is, `null` takes the phone number away.",
		Returns: customersapi.Customer{}, Errors: []int{http.StatusGone, http.StatusPreconditionFailed}, Headers: etag,
	}, m.handlePatch)
	web.Register(e.API, web.Op{
		Method: http.MethodDelete, Path: "/v1/customers/{id}", ID: "erase-customer", Summary: "Erase a customer", Tags: tags,
		Doc: "Forgets the name, the email address, the phone number and all addresses, for good; the id is not given again. Orders stay, with the address they were sent to. " +
			"From then on the customer is 410.",
		Errors: []int{http.StatusGone, http.StatusPreconditionFailed}, Roles: []auth.Role{auth.Customer, auth.Operator},
	}, m.handleErase)
	m.addressRoutes(e)
}

// answer is the profile with its headers.
func answer(status int, c customer) (web.Raw, error) {
	raw, err := web.JSON(status, c.view())
	return raw.With("ETag", web.ETag(c.version)), err
}

// mayAct refuses whoever does not act for the customer. Errors: ErrNotFound, as if there were no such customer.
func mayAct(ctx context.Context, customerID string) error {
	if !auth.From(ctx).ActsFor(customerID) {
		return ErrNotFound
	}
	return nil
}

func (m *Module) handleRegister(ctx context.Context, in *registerInput) (web.Raw, error) {
	asker := auth.From(ctx)
	customerID, err := idFor(asker, in.Body.ID)
	if err != nil {
		return web.Raw{}, err
	}
	addresses := make([]customersapi.Address, len(in.Body.Addresses))
	for i, a := range in.Body.Addresses {
		addresses[i] = a.address(id.New("adr"))
	}
	c, err := newCustomer(customerID, profile{in.Body.Name, in.Body.Email, in.Body.Phone}, addresses, m.clock.Now())
	if err != nil {
		return web.Raw{}, err
	}
	keyed := web.Keyed{Principal: asker.String(), Route: "POST /v1/customers", Key: in.IdempotencyKey, Request: in.Body}
	c, replayed, err := m.register(ctx, keyed, c)
	if err != nil {
		return web.Raw{}, err
	}
	raw, err := answer(http.StatusCreated, c)
	raw = raw.With("Location", location(c.id))
	if replayed {
		raw = raw.With("Idempotency-Replayed", "true")
	}
	return raw, err
}

func (m *Module) handleGet(ctx context.Context, in *getInput) (web.Raw, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Raw{}, err
	}
	c, err := m.customer(ctx, in.ID)
	if err != nil {
		return web.Raw{}, err
	}
	if in.IfNoneMatch != "" && in.IfNoneMatch == web.ETag(c.version) {
		return web.Raw{Status: http.StatusNotModified}.With("ETag", web.ETag(c.version)), nil
	}
	return answer(http.StatusOK, c)
}

func (m *Module) handleList(ctx context.Context, in *listInput) (web.Page[customersapi.Customer], error) {
	after := ""
	if at, err := web.ParseCursor(in.After, 1); err != nil {
		return web.Page[customersapi.Customer]{}, err
	} else if at != nil {
		after = at[0]
	}
	rows, err := m.list(ctx, in.Email, after, in.Limit+1)
	if err != nil {
		return web.Page[customersapi.Customer]{}, err
	}
	return web.NewPage(rows, in.Limit, func(last customersapi.Customer) string { return web.Cursor(last.ID) }), nil
}

func (m *Module) handlePatch(ctx context.Context, in *patchInput) (web.Raw, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Raw{}, err
	}
	p, err := in.Body.patch()
	if err != nil {
		return web.Raw{}, err
	}
	c, err := m.patch(ctx, in.ID, in.IfMatch, p)
	if err != nil {
		return web.Raw{}, err
	}
	return answer(http.StatusOK, c)
}

func (m *Module) handleErase(ctx context.Context, in *eraseInput) (struct{}, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, m.erase(ctx, in.ID, in.IfMatch)
}
