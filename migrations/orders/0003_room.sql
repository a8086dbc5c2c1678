-- +goose Up
-- An order's row changes three times within a moment, and all the rows of a page at the same time: the versions find room on their page, so that a change is written once and
-- touches no index.
ALTER TABLE order_summaries SET (fillfactor = 50);
