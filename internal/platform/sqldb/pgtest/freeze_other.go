//go:build !linux

package pgtest

import "errors"

// Freeze is known on Linux only.
func (c *Cluster) Freeze() error { return errors.ErrUnsupported }

// Thaw is known on Linux only.
func (c *Cluster) Thaw() error { return errors.ErrUnsupported }
