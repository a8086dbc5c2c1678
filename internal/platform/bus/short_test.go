//go:build !torture

package bus

// backlogEach is how many messages of each of a thousand keys wait in the test of a backlog.
const backlogEach = 15

// roughEach is how many messages of each of two hundred keys go over the rough transport, ten copies each, on each kind of database.
const roughEach = 10
