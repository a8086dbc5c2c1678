-- +goose Up
-- A parcel is compressed before it is written. What waits stays readable as it is.
ALTER TABLE outbox ALTER COLUMN content TYPE bytea USING convert_to(content, 'UTF8'), ALTER COLUMN content SET STORAGE MAIN;
