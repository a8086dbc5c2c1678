-- +goose Up
-- In which trace a shipment goes on when it is dispatched, days later: that of its order, if that is recorded. Else it is empty.
ALTER TABLE shipments ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
