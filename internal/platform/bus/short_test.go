//go:build !torture

package bus

// backlogEach is how many messages of each of a thousand keys wait in the test of a backlog.
const backlogEach = 15
