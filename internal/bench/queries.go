package main

// What is asked of PostgreSQL past the shop, through psql.
const (
	// bytes of write-ahead log and how often it was forced to the disk, since the cluster began
	walQuery = `SELECT pg_current_wal_lsn() - '0/0', wal_sync FROM pg_stat_wal`

	sizeQuery = `SELECT pg_database_size(current_database())`

	settingsQuery = `SELECT name || '=' || setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers')`
)
