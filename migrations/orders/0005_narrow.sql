-- +goose Up
-- Nobody reads events in the order of a number that is not that of their commits; they are read by order, and have a time.
ALTER TABLE events DROP COLUMN global_id;

-- Of a row's next version PostgreSQL logs what lies between the first and the last change. So what each step of an order changes stands together, behind the rest.
CREATE TABLE order_summaries_narrow (
	order_id            TEXT NOT NULL,
	customer_id         TEXT NOT NULL,
	placed_at           BIGINT NOT NULL,
	total_amount        BIGINT NOT NULL CONSTRAINT order_summaries_total_amount CHECK (total_amount >= 0),
	item_count          BIGINT NOT NULL,
	currency            TEXT NOT NULL,
	cancellation_reason TEXT NOT NULL,
	cancellation_detail TEXT NOT NULL,
	open                BOOLEAN NOT NULL, -- somebody has to look after it
	version             BIGINT NOT NULL,
	updated_at          BIGINT NOT NULL,
	deadline_at         BIGINT,
	status              TEXT NOT NULL CONSTRAINT order_summaries_status CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
	payment_status      TEXT NOT NULL,
	fulfillment_status  TEXT NOT NULL,
	saga_state          TEXT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO order_summaries_narrow (order_id, customer_id, placed_at, total_amount, item_count, currency, cancellation_reason, cancellation_detail, open, version, updated_at,
	deadline_at, status, payment_status, fulfillment_status, saga_state)
SELECT order_id, customer_id, placed_at, total_amount, item_count, currency, cancellation_reason, cancellation_detail, open, version, updated_at,
	deadline_at, status, payment_status, fulfillment_status, saga_state
FROM order_summaries ORDER BY order_id;
DROP TABLE order_summaries;
ALTER TABLE order_summaries_narrow RENAME TO order_summaries;
ALTER TABLE order_summaries ADD CONSTRAINT order_summaries_pkey PRIMARY KEY (order_id);
CREATE INDEX order_summaries_customer ON order_summaries (customer_id, order_id);
CREATE INDEX order_summaries_open ON order_summaries (order_id) WHERE open;
ANALYZE order_summaries;
