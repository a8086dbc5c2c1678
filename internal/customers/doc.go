// Package customers knows who buys: a profile with a name, an email address and postal addresses. Passwords are not its business: whoever issues the tokens knows them.
//
// # Words
//
//	customer   who buys; the id is the subject of the customer's tokens, so it need not be asked for
//	address    one of a customer's postal addresses; at most one is the default
//	version    counts the changes of profile and addresses, from 1; the ETag
//	erased     forgotten on the customer's wish (GDPR, article 17): the id stays, so that nobody else gets it, everything else is gone for good
//
// # States
//
//	active → erased
//
// # Messages
//
//	out  shop.customers.customer.registered.v1  there is a profile
//	out  shop.customers.customer.changed.v1     something of the profile or its addresses is different
//	out  shop.customers.customer.erased.v1      whoever keeps something of the customer's deletes it
//
// The key of every message is the customer's id.
//
// Orders keep the address that they were sent to, as the law on books demands, and are not erased from here.
package customers
