-- +goose Up
-- Of a row's next version PostgreSQL logs what lies between the first and the last change. So what a charge's outcome changes stands together, behind the rest.
CREATE TABLE payments_narrow (
	id              TEXT NOT NULL, -- also the provider's idempotency key for the charge
	reference       TEXT NOT NULL,
	customer_id     TEXT NOT NULL, -- who pays, and may see it
	method          TEXT NOT NULL,
	currency        TEXT NOT NULL,
	failure_code    TEXT NOT NULL,
	cancel_reason   TEXT NOT NULL,
	traceparent     TEXT NOT NULL DEFAULT '',
	amount          BIGINT NOT NULL CONSTRAINT payments_amount CHECK (amount >= 0),
	refunded        BIGINT NOT NULL CONSTRAINT payments_refunded CHECK (refunded >= 0),
	refunding       BIGINT NOT NULL CONSTRAINT payments_refunding CHECK (refunding >= 0), -- reserved for refunds that are pending
	cancel_at       BIGINT NOT NULL, -- 0: nobody asked to cancel
	attempts        BIGINT NOT NULL,
	next_attempt_at BIGINT NOT NULL, -- 0: there is nothing to find out
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL,
	version         BIGINT NOT NULL,
	authorized      BIGINT NOT NULL,
	captured        BIGINT NOT NULL,
	status          TEXT NOT NULL CONSTRAINT payments_status
		CHECK (status IN ('created', 'sending', 'unknown', 'authorized', 'captured', 'partially_refunded', 'refunded', 'declined', 'voided')),
	charge_id       TEXT NOT NULL, -- the provider's
	CONSTRAINT payments_authorized_amount CHECK (authorized <= amount),
	CONSTRAINT payments_captured_amount CHECK (captured <= authorized),
	CONSTRAINT payments_refunded_amount CHECK (refunded + refunding <= captured)
) WITH (fillfactor = 50);
INSERT INTO payments_narrow (id, reference, customer_id, method, currency, failure_code, cancel_reason, traceparent, amount, refunded, refunding, cancel_at, attempts,
	next_attempt_at, created_at, updated_at, version, authorized, captured, status, charge_id)
SELECT id, reference, customer_id, method, currency, failure_code, cancel_reason, traceparent, amount, refunded, refunding, cancel_at, attempts,
	next_attempt_at, created_at, updated_at, version, authorized, captured, status, charge_id
FROM payments ORDER BY id;
ALTER TABLE refunds DROP CONSTRAINT refunds_payment_id_fkey;
DROP TABLE payments;
ALTER TABLE payments_narrow RENAME TO payments;
ALTER TABLE payments ADD CONSTRAINT payments_pkey PRIMARY KEY (id), ADD CONSTRAINT payments_reference_key UNIQUE (reference);
ALTER TABLE refunds ADD CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments (id);
CREATE INDEX payments_due ON payments (next_attempt_at) WHERE next_attempt_at > 0;
ANALYZE payments;
