-- +goose Up
-- Nothing: the number of an event is the table's key in SQLite.
SELECT 1;
