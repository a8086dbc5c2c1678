//go:build !failpoint

// Package failpoint kills the process at a named point, so that tests can show what a crash there costs. A
// released binary carries none: without the build tag `failpoint` Hit is empty and inlined away.
package failpoint

// Hit does nothing in this build.
func Hit(string) {}
