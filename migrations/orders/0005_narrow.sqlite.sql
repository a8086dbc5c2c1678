-- +goose Up
-- Nothing: the number of an event is the table's key in SQLite, which writes whole pages.
SELECT 1;
