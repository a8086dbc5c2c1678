// Package pgtest gives tests a real PostgreSQL, 15 or newer: a private cluster on a free loopback port, started from
// the installed binaries and gone with the process that started it, even when that process is killed.
//
// A store test asks for a database of its own:
//
//	url := pgtest.NewDatabase(t)
//
// A fault test, which stops the server under load, asks for a cluster of its own:
//
//	cluster := pgtest.Start(t)
//	require.NoError(t, cluster.StopImmediate())
//	require.NoError(t, cluster.Start())
//
// All databases of a test process share one cluster. The command pgrun starts one for a whole "go test ./..." and
// announces it in SHOP_TEST_POSTGRES_URL; without it every test process starts its own, once, when first asked.
//
// The cluster never waits for the disk (fsync=off): what was committed survives the death of the server, which is what
// tests provoke, but not the loss of power.
//
// Only tests, pgrun and the benchmark may import this package.
package pgtest
