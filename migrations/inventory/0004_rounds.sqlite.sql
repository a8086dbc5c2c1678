-- +goose Up
-- How far the rounds came that look for reservations whose time is up: those that ended before that were looked at. In microseconds.
CREATE TABLE rounds (
	name TEXT PRIMARY KEY,
	seen BIGINT NOT NULL
);
INSERT INTO rounds (name, seen) VALUES ('inventory', CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- A reservation that is committed in time, as nearly all are, changes no indexed column, and its change stays on its page. overdue: its time is up, and somebody has to look after it.
ALTER TABLE reservations ADD COLUMN overdue BOOLEAN NOT NULL DEFAULT false;
UPDATE reservations SET overdue = true WHERE status = 'held';
DROP INDEX reservations_due;
CREATE INDEX reservations_expires_at ON reservations (expires_at);
CREATE INDEX reservations_overdue ON reservations (expires_at) WHERE overdue;
