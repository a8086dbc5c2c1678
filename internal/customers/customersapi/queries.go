package customersapi

import (
	"context"
	"time"
)

// Customer is a profile. Its id is the subject of the customer's tokens.
type Customer struct {
	ID        string    `json:"id" example:"cus_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Name      string    `json:"name" example:"Ada Lovelace"`
	Email     string    `json:"email" example:"ada@example.org"`
	Phone     string    `json:"phone,omitempty" example:"+44 20 7946 0000"`
	Addresses []Address `json:"addresses" doc:"In the order in which they were added"`
	Version   int64     `json:"version" doc:"Counts the changes of profile and addresses, from 1; the ETag"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Address is a postal address of a customer.
type Address struct {
	ID         string `json:"id" example:"adr_01jd3q6k9v8xw2n4t7ryz5abcd"`
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country" doc:"ISO 3166-1 alpha-2"`
	Phone      string `json:"phone,omitempty"`
	Default    bool   `json:"default" doc:"The one to propose first; at most one of a customer's"`
}

// Queries are the questions that customers answers at once.
type Queries interface {
	// Customers with the given ids, in any order. One that does not exist, was erased, or is none of the asker's business is left out.
	// Errors: fault Unavailable; from Remote also those of its answer.
	Customers(ctx context.Context, ids []string) ([]Customer, error)
}
