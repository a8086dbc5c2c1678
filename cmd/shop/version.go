package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

// build is what there is to know about this program.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	return build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return p.print(b, func(w *text) { w.linef("shop %s (%s, %s)", b.Version, b.Go, b.Platform) })
		},
	}
	p.outputFlag(cmd)
	return cmd
}
