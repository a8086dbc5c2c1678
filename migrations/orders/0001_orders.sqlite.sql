-- +goose Up
-- The history of every order, and the log of its process. (stream_id, version) is the optimistic lock.
CREATE TABLE events (
	global_id   INTEGER PRIMARY KEY AUTOINCREMENT,
	stream_id   TEXT NOT NULL,
	version     BIGINT NOT NULL,
	type        TEXT NOT NULL,
	data        json NOT NULL, -- kept as it was written: the first event of an order is what the API shows of it
	metadata    json NOT NULL,
	recorded_at BIGINT NOT NULL,
	UNIQUE (stream_id, version)
);

-- What an order looks like now: the projection that is read. Derived from events; see `shop audit`, I11.
CREATE TABLE order_summaries (
	order_id            TEXT PRIMARY KEY,
	customer_id         TEXT NOT NULL,
	version             BIGINT NOT NULL,
	status              TEXT NOT NULL CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
	payment_status      TEXT NOT NULL,
	fulfillment_status  TEXT NOT NULL,
	saga_state          TEXT NOT NULL,
	cancellation_reason TEXT NOT NULL,
	cancellation_detail TEXT NOT NULL,
	placed_at           BIGINT NOT NULL,
	updated_at          BIGINT NOT NULL,
	deadline_at         BIGINT,
	open                BOOLEAN NOT NULL, -- has a deadline
	total_amount        BIGINT NOT NULL CHECK (total_amount >= 0),
	currency            TEXT NOT NULL,
	item_count          BIGINT NOT NULL
);
CREATE INDEX order_summaries_customer ON order_summaries (customer_id, order_id);
CREATE INDEX order_summaries_open ON order_summaries (order_id) WHERE open;
