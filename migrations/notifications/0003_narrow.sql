-- +goose Up
-- An intent's id says its order, kind and occasion: they stand there alone. What never changes comes first, and what has eight bytes together at the end.
CREATE TABLE intents_narrow (
	id          TEXT NOT NULL, -- order.kind, or order.kind.occasion; also the Message-ID, before the @
	customer_id TEXT NOT NULL,
	data        json NOT NULL, -- what the message says
	traceparent TEXT NOT NULL DEFAULT '', -- in which trace it is sent
	email       TEXT NOT NULL, -- said with the order, and forgotten once the message is sent; empty: that of the customer's profile
	state       TEXT NOT NULL CONSTRAINT intents_state CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'skipped')),
	channel     TEXT NOT NULL,
	problem     TEXT NOT NULL,
	claim       TEXT NOT NULL, -- names the attempt under way, or the last one
	created_at  BIGINT NOT NULL,
	attempts    BIGINT NOT NULL CONSTRAINT intents_attempts CHECK (attempts >= 0),
	due_at      BIGINT NOT NULL, -- pending: when it is to be sent; sending: when the attempt must be over; 0: there is nothing to do
	updated_at  BIGINT NOT NULL,
	sent_at     BIGINT NOT NULL, -- 0: not sent
	CONSTRAINT intents_kind CHECK (id LIKE '_%.order_confirmed' OR id LIKE '_%.order_shipped' OR id LIKE '_%.order_cancelled' OR id LIKE '_%.refunded' OR id LIKE '_%.refunded._%'),
	CONSTRAINT intents_open CHECK ((state IN ('pending', 'sending')) = (due_at > 0)),
	CONSTRAINT intents_sent CHECK ((state = 'sent') = (sent_at > 0))
);
INSERT INTO intents_narrow (id, customer_id, data, traceparent, email, state, channel, problem, claim, created_at, attempts, due_at, updated_at, sent_at)
SELECT id, customer_id, data, traceparent, email, state, channel, problem, claim, created_at, attempts, due_at, updated_at, sent_at
FROM intents ORDER BY id;
DROP TABLE intents;
ALTER TABLE intents_narrow RENAME TO intents;
ALTER TABLE intents ADD CONSTRAINT intents_pkey PRIMARY KEY (id);
CREATE INDEX intents_due ON intents (due_at, id) WHERE due_at > 0;
CREATE INDEX intents_troubled ON intents (state, id) WHERE state IN ('failed', 'unknown');
CREATE INDEX intents_skipped ON intents (customer_id) WHERE state = 'skipped';
ANALYZE intents;
