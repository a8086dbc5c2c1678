-- +goose Up
-- An intent's id says its order, kind and occasion: they stand there alone.
ALTER TABLE intents DROP COLUMN order_id;
ALTER TABLE intents DROP COLUMN kind;
ALTER TABLE intents DROP COLUMN occasion;
