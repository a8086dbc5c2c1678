-- +goose Up
-- Orders that wait for an operator: few, and asked for with each look at the metrics. saga_state changes together with open, except when an order turns round.
CREATE INDEX order_summaries_stuck ON order_summaries (order_id) WHERE saga_state = 'compensation_failed';
