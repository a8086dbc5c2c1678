-- +goose Up
-- Nothing: pages of SQLite are filled as they come.
SELECT 1;
