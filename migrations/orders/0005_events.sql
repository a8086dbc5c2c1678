-- +goose Up
-- Nobody reads events in the order of a number that is not that of their commits; they are read by order, and have a time.
ALTER TABLE events DROP COLUMN global_id;
