-- +goose Up
-- What leaves this context: written in the business transaction, deleted once the consumers' transactions hold it. A row is a parcel: the messages of one
-- transaction that go to one topic, in their order.
CREATE TABLE outbox (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	topic      TEXT NOT NULL,
	messages   BIGINT NOT NULL, -- how many
	content    TEXT NOT NULL,   -- the messages, a JSON array
	created_at BIGINT NOT NULL
);

-- What this context has applied: of each parcel, which messages, a bit for each.
CREATE TABLE inbox (
	consumer   TEXT NOT NULL,
	parcel     TEXT NOT NULL,
	applied    BIGINT NOT NULL,
	applied_at BIGINT NOT NULL, -- the first of them
	PRIMARY KEY (consumer, parcel)
);

-- Messages that could not be applied, and, parked behind them, the later messages of the same key.
CREATE TABLE dead_letters (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	consumer   TEXT NOT NULL,
	message_id TEXT NOT NULL,
	parcel     TEXT NOT NULL, -- where the inbox would keep it
	bit        BIGINT NOT NULL,
	type       TEXT NOT NULL,
	key        TEXT NOT NULL,
	headers    TEXT NOT NULL,
	body       TEXT NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('dead', 'parked', 'replay')),
	error      TEXT NOT NULL,
	attempts   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	UNIQUE (consumer, message_id)
);
CREATE INDEX dead_letters_key ON dead_letters (consumer, key, id);

-- Who leads, with a token that grows with each change.
CREATE TABLE leases (
	name       TEXT PRIMARY KEY,
	owner      TEXT NOT NULL,
	token      BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

-- One answer for each (principal, route, Idempotency-Key); kept for seven days.
CREATE TABLE idempotency_keys (
	principal    TEXT NOT NULL,
	route        TEXT NOT NULL,
	key          TEXT NOT NULL,
	request_hash TEXT NOT NULL,
	status       BIGINT NOT NULL,
	headers      TEXT NOT NULL,
	body         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (principal, route, key)
);
