package customers

import (
	"context"
	"net/http"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/id"
	"shop/internal/platform/web"
)

// addressBody is an address as it is sent; the rules are those of an order's.
type addressBody struct {
	Name       string `json:"name" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Line2      string `json:"line2,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	City       string `json:"city" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Region     string `json:"region,omitempty" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2" example:"GB"`
	Phone      string `json:"phone,omitempty" maxLength:"40" pattern:"^[^\\x00-\\x1f\\x7f]*$"`
	Default    bool   `json:"default,omitempty" doc:"Propose it first; no other one is the default then"`
}

func (b addressBody) address(id string) customersapi.Address {
	return customersapi.Address{ID: id, Name: b.Name, Line1: b.Line1, Line2: b.Line2, City: b.City, Region: b.Region, PostalCode: b.PostalCode,
		Country: b.Country, Phone: b.Phone, Default: b.Default}
}

type addressesInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
}

type addAddressInput struct {
	ID      string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"ETag of the profile: only if that is still this version"`
	Body    addressBody
}

type addressInput struct {
	ID        string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
	AddressID string `path:"address_id" pattern:"^adr_[0-9a-hjkmnp-tv-z]{26}$"`
	IfMatch   string `header:"If-Match" doc:"ETag of the profile: only if that is still this version"`
}

type putAddressInput struct {
	ID        string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$" maxLength:"255"`
	AddressID string `path:"address_id" pattern:"^adr_[0-9a-hjkmnp-tv-z]{26}$"`
	IfMatch   string `header:"If-Match" doc:"ETag of the profile: only if that is still this version"`
	Body      addressBody
}

func (m *Module) addressRoutes(e *web.Edge) {
	tags := []string{"Customers"}
	etag := map[string]string{"ETag": "The version of the profile, of which the addresses are a part"}
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/customers/{id}/addresses", ID: "list-addresses", Summary: "List a customer's addresses", Tags: tags,
		Doc: "All of them, at most 50, in the order in which they were added.", Errors: []int{http.StatusGone},
	}, m.handleAddresses)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/customers/{id}/addresses", ID: "add-address", Summary: "Add an address", Tags: tags,
		Status: http.StatusCreated, Returns: customersapi.Address{}, Errors: []int{http.StatusConflict, http.StatusGone, http.StatusPreconditionFailed},
		Headers: map[string]string{"Location": "Where the address is", "ETag": etag["ETag"]},
	}, m.handleAddAddress)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/customers/{id}/addresses/{address_id}", ID: "get-address", Summary: "Read an address", Tags: tags,
		Returns: customersapi.Address{}, Errors: []int{http.StatusGone}, Headers: etag,
	}, m.handleGetAddress)
	web.Register(e.API, web.Op{
		Method: http.MethodPut, Path: "/v1/customers/{id}/addresses/{address_id}", ID: "put-address", Summary: "Replace an address", Tags: tags,
		Returns: customersapi.Address{}, Errors: []int{http.StatusGone, http.StatusPreconditionFailed}, Headers: etag,
	}, m.handlePutAddress)
	web.Register(e.API, web.Op{
		Method: http.MethodDelete, Path: "/v1/customers/{id}/addresses/{address_id}", ID: "delete-address", Summary: "Delete an address", Tags: tags,
		Errors: []int{http.StatusGone, http.StatusPreconditionFailed},
	}, m.handleDeleteAddress)
}

// addressAnswer is one of the customer's addresses with its headers. Errors: ErrAddressNotFound.
func addressAnswer(status int, c customer, addressID string) (web.Raw, error) {
	i := c.indexOf(addressID)
	if i < 0 {
		return web.Raw{}, ErrAddressNotFound
	}
	raw, err := web.JSON(status, c.addresses[i])
	return raw.With("ETag", web.ETag(c.version)), err
}

func (m *Module) handleAddresses(ctx context.Context, in *addressesInput) (web.Page[customersapi.Address], error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Page[customersapi.Address]{}, err
	}
	c, err := m.customer(ctx, in.ID)
	return web.NewPage(c.addresses, maxAddresses, func(last customersapi.Address) string { return web.Cursor(last.ID) }), err
}

func (m *Module) handleAddAddress(ctx context.Context, in *addAddressInput) (web.Raw, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Raw{}, err
	}
	a := in.Body.address(id.New("adr"))
	c, err := m.addAddress(ctx, in.ID, in.IfMatch, a)
	if err != nil {
		return web.Raw{}, err
	}
	raw, err := addressAnswer(http.StatusCreated, c, a.ID)
	return raw.With("Location", location(c.id)+"/addresses/"+a.ID), err
}

func (m *Module) handleGetAddress(ctx context.Context, in *addressInput) (web.Raw, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Raw{}, err
	}
	c, err := m.customer(ctx, in.ID)
	if err != nil {
		return web.Raw{}, err
	}
	return addressAnswer(http.StatusOK, c, in.AddressID)
}

func (m *Module) handlePutAddress(ctx context.Context, in *putAddressInput) (web.Raw, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return web.Raw{}, err
	}
	c, err := m.putAddress(ctx, in.ID, in.IfMatch, in.Body.address(in.AddressID))
	if err != nil {
		return web.Raw{}, err
	}
	return addressAnswer(http.StatusOK, c, in.AddressID)
}

func (m *Module) handleDeleteAddress(ctx context.Context, in *addressInput) (struct{}, error) {
	if err := mayAct(ctx, in.ID); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, m.deleteAddress(ctx, in.ID, in.IfMatch, in.AddressID)
}
