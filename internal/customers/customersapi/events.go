// Package customersapi is the language of customers: what others may ask of it and hear from it.
package customersapi

import "shop/internal/platform/bus"

// CustomerRegistered: there is a profile. Version counts the changes of the profile, from 1.
type CustomerRegistered struct {
	CustomerID string `json:"customer_id"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	Version    int64  `json:"version" doc:"Counts the changes of the profile, from 1"`
}

// CustomerChanged: something of the profile or its addresses is different. Name and email are what they are now.
type CustomerChanged struct {
	CustomerID string `json:"customer_id"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	Version    int64  `json:"version"`
}

// CustomerErased: the customer wants to be forgotten. Whoever keeps personal data of theirs without a duty to do so deletes it now.
type CustomerErased struct {
	CustomerID string `json:"customer_id"`
	Version    int64  `json:"version"`
}

var (
	customerRegistered = bus.NewEvent("customers", "customer.registered", 1)
	customerChanged    = bus.NewEvent("customers", "customer.changed", 1)
	customerErased     = bus.NewEvent("customers", "customer.erased", 1)
)

func (CustomerRegistered) MessageType() bus.Type { return customerRegistered }
func (CustomerChanged) MessageType() bus.Type    { return customerChanged }
func (CustomerErased) MessageType() bus.Type     { return customerErased }

func (e CustomerRegistered) MessageKey() string { return e.CustomerID }
func (e CustomerChanged) MessageKey() string    { return e.CustomerID }
func (e CustomerErased) MessageKey() string     { return e.CustomerID }
