-- +goose Up
-- One row for each message to a customer, written in the transaction that applies the event it tells of. The id is made of the order, the kind and the
-- occasion, so that a second message about the same cannot be.
CREATE TABLE intents (
	id          TEXT PRIMARY KEY, -- also the Message-ID, before the @
	order_id    TEXT NOT NULL,
	kind        TEXT NOT NULL CHECK (kind IN ('order_confirmed', 'order_shipped', 'order_cancelled', 'refunded')),
	occasion    TEXT NOT NULL, -- the refund; empty for what happens to an order once
	customer_id TEXT NOT NULL,
	email       TEXT NOT NULL, -- said with the order, and forgotten once the message is sent; empty: that of the customer's profile
	data        json NOT NULL, -- what the message says
	state       TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'skipped')),
	channel     TEXT NOT NULL,
	problem     TEXT NOT NULL,
	attempts    BIGINT NOT NULL CHECK (attempts >= 0),
	claim       TEXT NOT NULL, -- names the attempt under way, or the last one
	due_at      BIGINT NOT NULL, -- pending: when it is to be sent; sending: when the attempt must be over; 0: there is nothing to do
	created_at  BIGINT NOT NULL,
	updated_at  BIGINT NOT NULL,
	sent_at     BIGINT NOT NULL, -- 0: not sent
	CHECK ((state IN ('pending', 'sending')) = (due_at > 0)),
	CHECK ((state = 'sent') = (sent_at > 0))
);
CREATE INDEX intents_due ON intents (due_at, id) WHERE due_at > 0;
CREATE INDEX intents_troubled ON intents (state, id) WHERE state IN ('failed', 'unknown');
CREATE INDEX intents_skipped ON intents (customer_id) WHERE state = 'skipped';

-- Whom to write to when the order does not say. An erased customer keeps a row without anything in it.
CREATE TABLE contacts (
	customer_id TEXT PRIMARY KEY,
	name        TEXT NOT NULL,
	email       TEXT NOT NULL,
	erased      BOOLEAN NOT NULL,
	version     BIGINT NOT NULL -- of the profile
);
