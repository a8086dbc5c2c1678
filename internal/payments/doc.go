// Package payments takes money for a reference, such as an order, and gives it back. It talks to a payment provider, which may act and not answer; so its one
// rule is that silence is not an answer: a payment is captured or declined when the provider says so, and unknown until then.
//
// # Words
//
//   - A payment is one charge for one reference. Its id is the provider's idempotency key: however often the charge is sent, money is taken once.
//   - A refund gives back a part of a captured payment; its id is the provider's key likewise. While it is pending the payment keeps the amount reserved.
//   - A tombstone keeps the place of a payment that was cancelled before it was asked for.
//   - A lease is the time in which a row is left to the process that has its task in memory: until next_attempt_at, or, of a payment just taken, whose row does not say
//     it (see insert), from the time in its id. After it the reconciler takes over, so a crash loses
//     nothing. That two processes send the same payment is possible and harmless: the provider's key makes it one charge, the row's version one outcome.
//
// # Way of a payment
//
// TakePayment commits the intent (sending); after the commit a bounded pool of senders calls the provider, with a deadline, and records the outcome in a second transaction. Without
// an answer the payment is unknown and the reconciler, running in one process, asks by the same key after 200 ms, 500 ms, 1 s, … 30 s:
// charged, it is captured; certainly not charged, it is sent again; and when that lasts too long the provider is made to close the key, and only
// then it is declined. CancelPayment waits for certainty too: it voids what is not captured and refunds what is.
//
// # States
//
//	created → sending → authorized → captured → partially_refunded → refunded
//	created, sending → declined            captured → refunded
//	sending → unknown → authorized | declined | voided
//	created, sending, authorized → voided  authorized → declined (given up by the provider)
//	created → captured (nothing to pay)
//
// # Messages
//
//	in   TakePayment          → PaymentCaptured | PaymentDeclined, once certain. A repetition gets the same answer. After a CancelPayment: PaymentDeclined, code cancelled
//	in   CancelPayment        → PaymentCancelled | PaymentCancelFailed, once certain. After it the charge's own outcome is not told any more
//	out  PaymentCaptured      the money is ours
//	out  PaymentDeclined      the provider said no (its code), or cancelled, invalid_amount, not_charged
//	out  PaymentCancelled     the customer has paid nothing, or has it back
//	out  PaymentCancelFailed  the provider refuses to give it back; a later CancelPayment tries anew
//	out  PaymentRefunded      an operator gave money back
package payments
