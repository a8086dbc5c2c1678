-- +goose Up
-- Nothing: SQLite writes whole pages.
SELECT 1;
