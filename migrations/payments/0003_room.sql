-- +goose Up
-- A payment changes once soon after it came, with those beside it. Its second version finds room on its page.
ALTER TABLE payments SET (fillfactor = 50);
