-- +goose Up
-- The books of the built-in test provider. A provider's customer never sees these tables, only its answers.
CREATE TABLE charges (
	key        TEXT PRIMARY KEY,
	id         TEXT NOT NULL,
	reference  TEXT NOT NULL,
	method     TEXT NOT NULL,
	amount     BIGINT NOT NULL CHECK (amount >= 0),
	currency   TEXT NOT NULL,
	status     TEXT NOT NULL CHECK (status IN ('captured', 'declined', 'voided')),
	code       TEXT NOT NULL,
	refunded   BIGINT NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= amount),
	created_at BIGINT NOT NULL
);

CREATE TABLE refunds (
	key        TEXT PRIMARY KEY,
	id         TEXT NOT NULL,
	charge_key TEXT NOT NULL,
	amount     BIGINT NOT NULL,
	currency   TEXT NOT NULL,
	code       TEXT NOT NULL, -- why it failed; empty when the money went back
	created_at BIGINT NOT NULL
);
CREATE INDEX refunds_charge_key ON refunds (charge_key);

-- Keys of pm_test_error_once that have had their error.
CREATE TABLE first_errors (
	key        TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL
);
