//go:build torture

package e2e

import "time"

func init() { killed, outage = 20, 30*time.Second }
