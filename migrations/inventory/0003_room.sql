-- +goose Up
-- A reservation changes once soon after it came, with those beside it. Its second version finds room on its page.
ALTER TABLE reservations SET (fillfactor = 50);
