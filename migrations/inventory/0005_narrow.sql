-- +goose Up
-- Of a row's next version PostgreSQL logs what lies between the first and the last change. So what a reservation's end changes stands together, behind the lines.
CREATE TABLE reservations_narrow (
	reference   TEXT NOT NULL,
	lines       json NOT NULL,
	shortages   json,
	traceparent TEXT NOT NULL DEFAULT '',
	created_at  BIGINT NOT NULL,
	overdue     BOOLEAN NOT NULL DEFAULT false, -- its time is up, and somebody has to look after it
	status      TEXT NOT NULL CONSTRAINT reservations_status CHECK (status IN ('held', 'committed', 'shipped', 'released', 'expired', 'refused')),
	version     BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	asked_at    BIGINT NOT NULL,
	updated_at  BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO reservations_narrow (reference, lines, shortages, traceparent, created_at, overdue, status, version, expires_at, asked_at, updated_at)
SELECT reference, lines, shortages, traceparent, created_at, overdue, status, version, expires_at, asked_at, updated_at
FROM reservations ORDER BY created_at;
DROP TABLE reservations;
ALTER TABLE reservations_narrow RENAME TO reservations;
ALTER TABLE reservations ADD CONSTRAINT reservations_pkey PRIMARY KEY (reference);
CREATE INDEX reservations_expires_at ON reservations (expires_at);
CREATE INDEX reservations_overdue ON reservations (expires_at) WHERE overdue;
ANALYZE reservations;
