-- +goose Up
-- In which trace a message is sent, when the courier comes to it: that of its order, if that is recorded. Else it is empty.
ALTER TABLE intents ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
