-- +goose Up
-- How far the rounds came that look for what was left behind: rows made before that were looked at. In microseconds.
CREATE TABLE rounds (
	name TEXT PRIMARY KEY,
	seen BIGINT NOT NULL
);
INSERT INTO rounds (name, seen) VALUES ('payments', CAST(unixepoch('subsec') * 1000000 AS INTEGER));
