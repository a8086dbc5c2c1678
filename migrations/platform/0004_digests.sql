-- +goose Up
-- An answer is found by a digest of who asked for what with which key, 128 bits of SHA-256: the three are long, come in no order, and stood in the row and again in its index,
-- a sixteenth of what an order wrote. Nobody asks for them by themselves.
CREATE TABLE answers (
	created_at   BIGINT NOT NULL,
	status       BIGINT NOT NULL,
	id           TEXT NOT NULL, -- sqldb.Digest(principal, route, Idempotency-Key)
	request_hash TEXT NOT NULL,
	headers      TEXT NOT NULL,
	body         TEXT NOT NULL
);
INSERT INTO answers (created_at, status, id, request_hash, headers, body)
SELECT created_at, status,
	translate(encode(substr(sha256(convert_to(principal, 'UTF8') || '\x00' || convert_to(route, 'UTF8') || '\x00' || convert_to(key, 'UTF8')), 1, 16), 'base64'), '+/=', '-_'),
	request_hash, headers, body
FROM idempotency_keys ORDER BY created_at;
DROP TABLE idempotency_keys;
ALTER TABLE answers RENAME TO idempotency_keys;
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);
