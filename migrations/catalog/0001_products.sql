-- +goose Up
-- What is sold, and for how much. search is sku and name in lower case, so that a search needs no function whose answer
-- depends on the database's locale.
CREATE TABLE products (
	sku            TEXT PRIMARY KEY,
	name           TEXT NOT NULL,
	description    TEXT NOT NULL,
	price_amount   BIGINT NOT NULL CHECK (price_amount >= 0),
	price_currency TEXT NOT NULL CHECK (length(price_currency) = 3),
	active         BOOLEAN NOT NULL,
	search         TEXT NOT NULL,
	version        BIGINT NOT NULL CHECK (version >= 1),
	change         BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	updated_at     BIGINT NOT NULL
);
-- A search walks this instead of the rows with their descriptions.
CREATE INDEX products_search ON products (sku, search);
-- What changed since a replica last looked.
CREATE INDEX products_change ON products (change);

-- The number of the last change. Who writes products holds this row until the commit, so changes become visible in the
-- order of their numbers.
CREATE TABLE change_counter (
	id   BIGINT PRIMARY KEY CHECK (id = 1),
	last BIGINT NOT NULL
);
INSERT INTO change_counter (id, last) VALUES (1, 0);
