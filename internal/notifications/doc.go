// Package notifications writes to customers about their orders: confirmed, shipped, cancelled, refunded. Each message is sent at most once, and what
// became of it is known or said to be unknown.
//
// # Words
//
//	intent     one message to a customer; there is one for an order, a kind and an occasion, for good
//	occasion   which refund, since an order may have several; other kinds happen once
//	contact    name and email address of a customer's profile, as customers tells them; an order may bring an address of its own
//	courier    sends what is due, in the process that leads
//	claim      the name of an attempt: only who has claimed an intent sends it and says what came of it
//	channel    what it was sent through: smtp, or log, which only notes that there would be a message
//
// # States
//
//	pending → sending → sent | failed | unknown | pending (to be tried again)
//	pending → skipped            there is no address, or the customer was erased
//	skipped → pending            the customer's profile was heard of after the order
//	failed | unknown → pending   an operator asks for it again
//
// # At most once
//
// The attempt is committed before the mail server is spoken to, its outcome afterwards. A server that says no, or a connection that is lost before the message's last byte was
// sent, is certain: the message is tried again, or failed. After the last byte only the server's answer tells. When that does not come, because the connection was
// cut or this process died, the message is unknown and is not sent again, unless an operator decides so (POST /v1/notifications/{id}/resend): a second mail about the same
// order costs more trust than a missing one. It then has the same Message-ID, by which mail programs recognise what they have already.
//
// # Messages
//
//	in  shop.orders.order.confirmed.v1, order.shipped.v1, order.cancelled.v1, order.refunded.v1                    each makes an intent
//	in  shop.customers.customer.registered.v1, customer.changed.v1, customer.erased.v1                             keep the contacts
//
// # Personal data
//
// An order's email address is kept until its message is sent. An erased customer's contact and the addresses of their messages are deleted, and nothing is sent to them any more.
package notifications
