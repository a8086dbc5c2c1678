// Package resilience asks other processes, and keeps one of them that is slow or down from taking this one along.
//
// An upstream is a process that hosts what this one does not, under the name of the context. What is asked of it goes through
//
//	a bulkhead        so many questions under way at a time; more are refused at once
//	a retry           of a question that was not heard, or was answered with 502, 503 or 504; after a pause with jitter, within the caller's deadline
//	a circuit breaker that opens when too many attempts fail, and then refuses at once; after a while it tries one
//	a deadline        for each attempt
//
// in this order, from the outside. An attempt has failed when the upstream cannot be reached, cuts, lets the deadline pass, or answers 500, 502, 503 or 504. It has not when it
// answers with any other fault, and nothing is learned from one whose caller left.
//
// Guards holds those of a process, for its metrics and its health. It knows no context.
package resilience
