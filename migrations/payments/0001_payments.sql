-- +goose Up
-- One payment for a reference. A row without a method keeps the place of one that was cancelled before it was asked for.
CREATE TABLE payments (
	id              TEXT PRIMARY KEY, -- also the provider's idempotency key for the charge
	reference       TEXT NOT NULL UNIQUE,
	customer_id     TEXT NOT NULL, -- who pays, and may see it
	method          TEXT NOT NULL,
	currency        TEXT NOT NULL,
	amount          BIGINT NOT NULL CHECK (amount >= 0),
	status          TEXT NOT NULL CHECK (status IN ('created', 'sending', 'unknown', 'authorized', 'captured', 'partially_refunded', 'refunded', 'declined', 'voided')),
	authorized      BIGINT NOT NULL CHECK (authorized <= amount),
	captured        BIGINT NOT NULL CHECK (captured <= authorized),
	refunded        BIGINT NOT NULL CHECK (refunded >= 0),
	refunding       BIGINT NOT NULL CHECK (refunding >= 0), -- reserved for refunds that are pending
	failure_code    TEXT NOT NULL,
	charge_id       TEXT NOT NULL, -- the provider's
	cancel_at       BIGINT NOT NULL, -- 0: nobody asked to cancel
	cancel_reason   TEXT NOT NULL,
	attempts        BIGINT NOT NULL,
	next_attempt_at BIGINT NOT NULL, -- 0: there is nothing to find out
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL,
	version         BIGINT NOT NULL,
	CHECK (refunded + refunding <= captured)
);
CREATE INDEX payments_due ON payments (next_attempt_at) WHERE next_attempt_at > 0;

CREATE TABLE refunds (
	id              TEXT PRIMARY KEY, -- also the provider's idempotency key for the refund
	payment_id      TEXT NOT NULL REFERENCES payments (id),
	amount          BIGINT NOT NULL CHECK (amount > 0),
	reason          TEXT NOT NULL,
	origin          TEXT NOT NULL CHECK (origin IN ('operator', 'cancellation')),
	status          TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
	failure_code    TEXT NOT NULL,
	attempts        BIGINT NOT NULL,
	next_attempt_at BIGINT NOT NULL, -- 0: its outcome is certain
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL
);
CREATE INDEX refunds_payment_id ON refunds (payment_id);
CREATE INDEX refunds_due ON refunds (next_attempt_at) WHERE next_attempt_at > 0;
