-- +goose Up
-- An answer is found by a digest of who asked for what with which key, 128 bits of SHA-256: the three are long, come in no order, and stood in the row and again in its index.
-- Nobody asks for them by themselves.
CREATE TABLE answers (
	id           TEXT PRIMARY KEY, -- sqldb.Digest(principal, route, Idempotency-Key)
	request_hash TEXT NOT NULL,
	status       BIGINT NOT NULL,
	headers      TEXT NOT NULL,
	body         TEXT NOT NULL,
	created_at   BIGINT NOT NULL
);
INSERT INTO answers (id, request_hash, status, headers, body, created_at)
SELECT digest(principal, route, key), request_hash, status, headers, body, created_at FROM idempotency_keys ORDER BY rowid;
DROP TABLE idempotency_keys;
ALTER TABLE answers RENAME TO idempotency_keys;
