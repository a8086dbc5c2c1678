// Package sqldb is what a context knows of databases: one type for SQLite and PostgreSQL, reads that cannot
// write, writes that share a commit, and the few places where the two dialects differ.
//
//   - DB.Get and DB.Select read, on connections on which the server refuses writes.
//   - DB.Write and DB.Submit are the only way to write. What waits is run one after another in one transaction
//     (group commit) and told of its success after the commit is durable. A function given to them may run more than once:
//     after a serialization failure, after a neighbour in its batch failed, and after a COMMIT whose outcome is
//     unknown. So whatever it does must be found again by a key: an idempotency key, an inbox row, a version.
//   - Tx.Queue collects rows of one statement over the whole transaction and writes them as one statement at its end.
//
// SQL is one text for both dialects. Three notations are translated: `IN {$1}` takes a []string or []int64,
// `{rows}` stands for the rows of a Many, and `{for update}` locks rows where the dialect can.
//
// Nobody else in the program may hold a connection: the import law checks it.
package sqldb
