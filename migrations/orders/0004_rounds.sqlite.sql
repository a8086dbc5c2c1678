-- +goose Up
-- How far the rounds came that look for what was left behind: rows made before that were looked at. In microseconds.
CREATE TABLE rounds (
	name TEXT PRIMARY KEY,
	seen BIGINT NOT NULL
);
INSERT INTO rounds (name, seen) VALUES ('orders', CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- An order is open from the time somebody has to look after it: in the index come those whose process was not quickly over, and those that went wrong.
DROP INDEX order_summaries_stuck;
UPDATE order_summaries SET open = true WHERE saga_state = 'compensation_failed';
