-- +goose Up
-- Nothing: a column of SQLite takes text and bytes.
SELECT 1;
