-- +goose Up
-- The rounds find reservations by the time in the names of their orders, as those of orders and payments do: an index less to write for each. What is held when this
-- is applied may have another name, and is marked.
UPDATE reservations SET overdue = true WHERE status = 'held';
DROP INDEX reservations_expires_at;
