package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is longer than the checks behind /readyz may take.
const healthTimeout = 3 * time.Second

func (p *program) healthCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the shop on this machine whether it is ready",
		Long: `Healthcheck asks /readyz of the shop that runs on this machine with the same settings: on its admin port, or on that of the API when there is none. It is for
containers, whose image has no other program to ask with.

Exit code 0: ready; 1: not ready, and the checks that fail are named; 4: nobody answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			at := cfg.adminAddr
			if at == "" {
				at = cfg.addr
			}
			return askReady(cmd.Context(), "http://"+reachable(at)+"/readyz?verbose")
		},
	}
	settingFlags(cmd, "addr", "admin-addr")
	return cmd
}

// reachable is where one on this machine finds what listens at addr.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	if err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return addr
	}
	return net.JoinHostPort("localhost", port)
}

// askReady asks a shop whether it is ready. Errors: exitError with exitFailed, which names the checks that fail, or with exitDependency.
func askReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy of the environment
	answer, err := client.Do(r)
	if err != nil {
		return &exitError{exitDependency, err}
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var said struct {
		Status string `json:"status"`
		Checks []struct{ Name, Status string }
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&said); err != nil {
		return &exitError{exitFailed, fmt.Errorf("%s answers %s", url, answer.Status)}
	}
	parts := []string{"not ready: " + said.Status}
	for _, c := range said.Checks {
		if c.Status != "ok" {
			parts = append(parts, c.Name)
		}
	}
	return &exitError{exitFailed, errors.New(strings.Join(parts, " "))}
}
