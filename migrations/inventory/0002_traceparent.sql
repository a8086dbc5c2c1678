-- +goose Up
-- In which trace a reservation lapses when its time is up: that of its order, if that is recorded. Else it is empty.
ALTER TABLE reservations ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
