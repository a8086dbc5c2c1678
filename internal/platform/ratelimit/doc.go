// Package ratelimit bounds how often one client may ask: a principal, or where nobody said who they are, an address.
//
// It counts in sliding windows: the requests of the present window, and of the one before it the part that a window ending now would still see. A limit is said per
// minute; the window is ten seconds with a sixth of it (a whole minute for limits below 60), so that a client may spend the quota of ten seconds at once, and one that has
// spent it waits seconds and not a minute. What is refused does not count; but whoever is refused and goes on is answered late.
//
// With Redis the processes of one kind (those that host the same contexts) count together. No request waits for it: each process counts by itself, and a tenth of
// a second later tells Redis and learns what the others have counted. So n processes together let through at most what n clients could ask within a tenth of a second too
// much, and while Redis does not answer, each process counts alone.
package ratelimit
