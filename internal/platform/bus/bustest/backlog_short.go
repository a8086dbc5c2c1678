//go:build !torture

package bustest

// backlogMessages is how many messages wait in the suite's case of a backlog.
const backlogMessages = 5_000
