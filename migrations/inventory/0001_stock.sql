-- +goose Up
-- How much there is of each SKU, in units. What is available is on_hand less reserved.
CREATE TABLE stock (
	sku        TEXT PRIMARY KEY,
	on_hand    BIGINT NOT NULL,
	reserved   BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CHECK (0 <= reserved AND reserved <= on_hand)
);

-- Why on_hand is what it is: a ledger that only grows. The quantities of a SKU sum to its on_hand. Ids ascend with time.
CREATE TABLE movements (
	sku         TEXT NOT NULL,
	id          TEXT NOT NULL,
	quantity    BIGINT NOT NULL CHECK (quantity <> 0),
	reason      TEXT NOT NULL CHECK (reason IN ('received', 'adjusted', 'returned', 'damaged', 'shipped')),
	reference   TEXT NOT NULL,
	recorded_at BIGINT NOT NULL,
	PRIMARY KEY (sku, id)
);

-- What is held for whom. lines: [{"sku": …, "quantity": …}], one a SKU; shortages: why it was refused. asked_at: when
-- ReservationExpiring was published, 0 while it was not.
CREATE TABLE reservations (
	reference  TEXT PRIMARY KEY,
	status     TEXT NOT NULL CHECK (status IN ('held', 'committed', 'shipped', 'released', 'expired', 'refused')),
	lines      json NOT NULL,
	shortages  json,
	version    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	asked_at   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- The sweep for reservations whose time is up looks only here.
CREATE INDEX reservations_due ON reservations (expires_at) WHERE status = 'held';
