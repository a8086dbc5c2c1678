-- +goose Up
-- In which trace the work on a row goes on, when it does later or in another process: the one that led to it, if that is recorded. Else it is empty.
ALTER TABLE payments ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
