-- +goose Up
-- One row for a reference, for good. A time that has not come yet is 0. A tombstone says that the reference was cancelled
-- before anybody asked for its shipment.
CREATE TABLE shipments (
	id              TEXT PRIMARY KEY,
	reference       TEXT NOT NULL,
	owner           TEXT NOT NULL, -- the customer who may see it; empty in a tombstone
	status          TEXT NOT NULL CHECK (status IN ('created', 'dispatched', 'delivered', 'returned', 'cancelled')),
	tombstone       BOOLEAN NOT NULL,
	lines           json NOT NULL,
	address         json NOT NULL,
	carrier         TEXT NOT NULL,
	tracking_number TEXT NOT NULL,
	version         BIGINT NOT NULL CHECK (version >= 1),
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL,
	dispatched_at   BIGINT NOT NULL,
	delivered_at    BIGINT NOT NULL,
	returned_at     BIGINT NOT NULL,
	cancelled_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX shipments_reference ON shipments (reference);
CREATE INDEX shipments_status ON shipments (status, id);
