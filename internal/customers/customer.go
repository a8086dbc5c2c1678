package customers

import (
	"slices"
	"strings"
	"time"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/bus"
	"shop/internal/platform/fault"
)

var (
	// ErrNotFound: there is no such customer, or it is none of the asker's business.
	ErrNotFound = fault.New(fault.NotFound, "customer_not_found", "there is no such customer")
	// ErrExists: the id has a profile already.
	ErrExists = fault.New(fault.Conflict, "customer_exists", "there is a profile with this id already")
	// ErrErased: the customer was erased, and the id is not given again.
	ErrErased = fault.New(fault.Gone, "customer_erased", "this customer was erased")
	// ErrAddressNotFound: the customer has no such address.
	ErrAddressNotFound = fault.New(fault.NotFound, "address_not_found", "the customer has no such address")
	// ErrTooManyAddresses: the customer has as many addresses as can be kept.
	ErrTooManyAddresses = fault.New(fault.Conflict, "too_many_addresses", "a customer has at most 50 addresses")
	// ErrTwoDefaults: more than one address was said to be the default.
	ErrTwoDefaults = fault.New(fault.Invalid, "two_default_addresses", "at most one address is the default")
)

// maxAddresses bounds what a customer's row can hold.
const maxAddresses = 50

type status string

const (
	active status = "active"
	erased status = "erased"
)

// customer is the aggregate: a value, whose changes are new values. The one without a version does not exist.
type customer struct {
	id        string
	status    status
	profile   profile
	addresses []customersapi.Address
	version   int64
	createdAt time.Time
	updatedAt time.Time
}

// profile is what a customer says of themselves.
type profile struct{ name, email, phone string }

// newCustomer is a customer at version 1. Errors: ErrTwoDefaults.
func newCustomer(id string, p profile, addresses []customersapi.Address, now time.Time) (customer, error) {
	defaults := 0
	for _, a := range addresses {
		if a.Default {
			defaults++
		}
	}
	if defaults > 1 {
		return customer{}, ErrTwoDefaults
	}
	return customer{id: id, status: active, profile: p, addresses: addresses, version: 1, createdAt: now, updatedAt: now}, nil
}

// exists says why the customer cannot be shown or changed. Errors: ErrNotFound, ErrErased.
func (c customer) exists() error {
	switch {
	case c.version == 0:
		return ErrNotFound
	case c.status == erased:
		return ErrErased
	}
	return nil
}

// touched is c as its next version.
func (c customer) touched(now time.Time) customer {
	c.version++
	c.updatedAt = now
	return c
}

// same reports whether both are the same version with the same content.
func (c customer) same(o customer) bool {
	return c.id == o.id && c.status == o.status && c.profile == o.profile && slices.Equal(c.addresses, o.addresses) &&
		c.version == o.version && c.createdAt.Equal(o.createdAt) && c.updatedAt.Equal(o.updatedAt)
}

// withProfile is c with another profile.
func (c customer) withProfile(p profile) customer {
	c.profile = p
	return c
}

// withAddress is c with one address more. Errors: ErrTooManyAddresses.
func (c customer) withAddress(a customersapi.Address) (customer, error) {
	if len(c.addresses) >= maxAddresses {
		return c, ErrTooManyAddresses
	}
	c.addresses = append(slices.Clone(c.addresses), a)
	return c.withDefault(a), nil
}

// withAddressChanged is c with another address in the place of the one that has its id. Errors: ErrAddressNotFound.
func (c customer) withAddressChanged(a customersapi.Address) (customer, error) {
	i := c.indexOf(a.ID)
	if i < 0 {
		return c, ErrAddressNotFound
	}
	c.addresses = slices.Clone(c.addresses)
	c.addresses[i] = a
	return c.withDefault(a), nil
}

// withDefault lets only a be the default, if it is one. The addresses are c's own.
func (c customer) withDefault(a customersapi.Address) customer {
	for i := range c.addresses {
		if a.Default && c.addresses[i].ID != a.ID {
			c.addresses[i].Default = false
		}
	}
	return c
}

// withoutAddress is c without the address. Errors: ErrAddressNotFound.
func (c customer) withoutAddress(id string) (customer, error) {
	i := c.indexOf(id)
	if i < 0 {
		return c, ErrAddressNotFound
	}
	c.addresses = slices.Delete(slices.Clone(c.addresses), i, i+1)
	return c, nil
}

func (c customer) indexOf(addressID string) int {
	return slices.IndexFunc(c.addresses, func(a customersapi.Address) bool { return a.ID == addressID })
}

// forgotten is c without anything that says who it was.
func (c customer) forgotten() customer {
	c.status, c.profile, c.addresses = erased, profile{}, nil
	return c
}

// emailKey is what an address is found by: mailboxes differ in their case only in theory (RFC 5321, 2.4).
func emailKey(email string) string { return strings.ToLower(email) }

// event tells what has become of the customer.
func (c customer) event() bus.Body {
	switch {
	case c.status == erased:
		return customersapi.CustomerErased{CustomerID: c.id, Version: c.version}
	case c.version == 1:
		return customersapi.CustomerRegistered{CustomerID: c.id, Name: c.profile.name, Email: c.profile.email, Version: c.version}
	}
	return customersapi.CustomerChanged{CustomerID: c.id, Name: c.profile.name, Email: c.profile.email, Version: c.version}
}

// view is the customer as others see it.
func (c customer) view() customersapi.Customer {
	v := customersapi.Customer{
		ID: c.id, Name: c.profile.name, Email: c.profile.email, Phone: c.profile.phone, Addresses: c.addresses,
		Version: c.version, CreatedAt: c.createdAt, UpdatedAt: c.updatedAt,
	}
	if v.Addresses == nil {
		v.Addresses = []customersapi.Address{}
	}
	return v
}
