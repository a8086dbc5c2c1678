package orders

import (
	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
)

// An order is its customer's: the one whose token it was placed with, or whom an operator or a service named. To all other customers it does not exist.

// ErrForeignCustomer: a customer ordered in the name of another.
var ErrForeignCustomer = fault.New(fault.Invalid, "foreign_customer", "a customer orders for themselves").
	With(fault.Field{Location: "body.customer_id", Detail: "the subject of the token, or nothing"})

// orderFor settles whose order it will be. Errors: ErrForeignCustomer.
func (b *placeBody) orderFor(who auth.Principal) error {
	if who.Has(auth.Operator, auth.Service) {
		if b.CustomerID == "" {
			b.CustomerID = auth.Guest
		}
		return nil
	}
	if b.CustomerID != "" && b.CustomerID != who.Subject {
		return ErrForeignCustomer
	}
	b.CustomerID = who.Subject
	return nil
}

// mayAct says whether somebody may see and change a customer's order. Errors: ErrNotFound, as if there were no such order.
func mayAct(who auth.Principal, customerID string) error {
	if !who.ActsFor(customerID) {
		return ErrNotFound
	}
	return nil
}
