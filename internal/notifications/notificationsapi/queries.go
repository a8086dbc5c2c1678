// Package notificationsapi is the language of notifications: what others may ask of it.
package notificationsapi

import "time"

// Notification is one message to a customer about an order. It never shows the customer's address.
type Notification struct {
	ID            string     `json:"id" doc:"The order, the kind and, for a refund, which one: there is one notification for each, for good" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd.order_confirmed"`
	OrderID       string     `json:"order_id" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd"`
	CustomerID    string     `json:"customer_id" example:"cus_42"`
	Kind          string     `json:"kind" enum:"order_confirmed,order_shipped,order_cancelled,refunded"`
	RefundID      string     `json:"refund_id,omitempty" doc:"Of a notification of kind refunded"`
	Status        string     `json:"status" enum:"pending,sending,sent,failed,unknown,skipped" doc:"unknown: the mail server took the message and did not say what it did with it"`
	Channel       string     `json:"channel,omitempty" enum:"smtp,log" doc:"What it was sent through; log means that it was only noted"`
	Attempts      int64      `json:"attempts" doc:"Since it was made, or asked for again"`
	Problem       string     `json:"problem,omitempty" doc:"Why it is not sent, or was not at the last attempt" example:"550 5.1.1 no such mailbox"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
	SentAt        *time.Time `json:"sent_at,omitempty"`
}
