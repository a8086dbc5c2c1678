//go:build failpoint

// Package failpoint kills the process at a named point, so that tests can show what a crash there costs.
package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// SHOP_FAILPOINT=name:n kills this process with SIGKILL when the point is reached for the n-th time.
var (
	name string
	left atomic.Int64
)

func init() {
	point, n, _ := strings.Cut(os.Getenv("SHOP_FAILPOINT"), ":")
	count, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		count = 1
	}
	name = point
	left.Store(count)
}

// Hit dies here when it is the point's turn.
func Hit(point string) {
	if point == name && left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing after this point may run
	}
}
