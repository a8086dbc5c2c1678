-- +goose Up
-- A parcel that is compressed to less than a page stays in its row, and is not cut into rows of another table.
ALTER TABLE outbox ALTER COLUMN content SET STORAGE MAIN;
