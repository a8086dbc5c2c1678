-- +goose Up
-- One row for a customer, for good: an erased one has nothing left but its id. A customer is read and changed as a whole, so its addresses are a part of the row.
CREATE TABLE customers (
	id          TEXT PRIMARY KEY, -- the subject of the customer's tokens
	status      TEXT NOT NULL CHECK (status IN ('active', 'erased')),
	name        TEXT NOT NULL,
	email       TEXT NOT NULL,
	email_key   TEXT NOT NULL, -- the email in lower case, to be found by
	phone       TEXT NOT NULL,
	addresses   json NOT NULL,
	version     BIGINT NOT NULL CHECK (version >= 1),
	created_at  BIGINT NOT NULL,
	updated_at  BIGINT NOT NULL,
	CHECK (status = 'active' OR (name = '' AND email = '' AND email_key = '' AND phone = ''))
);
CREATE INDEX customers_email ON customers (email_key, id) WHERE status = 'active';
