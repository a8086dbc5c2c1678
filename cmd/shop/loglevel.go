package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"shop/internal/platform/fault"
	"shop/internal/platform/logging"
)

func (p *program) logLevelCommand() *cobra.Command {
	var at string
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "log-level [debug|info|warn|error]",
		Short: "Show or change how much a running shop logs",
		Long: `Log-level asks a shop that runs, on its admin port, from which level on it logs, or changes that at once:

  shop log-level debug --for 10m

With --for the configured level (SHOP_LOG_LEVEL) comes back by itself; without it, the level stays until it is changed again or the process ends. Each process has its own.

Exit code 0: done; 1: the process refuses it; 4: nobody answers.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []cobra.Completion{"debug", "info", "warn", "error"},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			base, err := adminBase(at, cfg)
			if err != nil {
				return err
			}
			method, target, body := http.MethodGet, base+"/log-level", ""
			if len(args) > 0 {
				method, body = http.MethodPut, `{"level":"`+args[0]+`"}`
			}
			if cmd.Flags().Changed("for") {
				if len(args) == 0 || limit < logging.ShortestFor || limit > logging.LongestFor {
					return &exitError{exitUsage, fmt.Errorf("--for: expected a level, and a time from %s to %s", logging.ShortestFor, logging.LongestFor)}
				}
				target += "?for=" + limit.String()
			}
			state, err := askLevel(cmd.Context(), method, target, body)
			if err != nil {
				return err
			}
			return p.print(state, func(t *text) { printLevel(t, state) })
		},
	}
	cmd.Flags().StringVar(&at, "admin-url", "", "admin port of a running shop, such as http://127.0.0.1:8081 (default: that of the settings, on this machine)")
	cmd.Flags().DurationVar(&limit, "for", 0, "how long the level is changed for (default for good)")
	settingFlags(cmd, "admin-addr")
	p.outputFlag(cmd)
	return cmd
}

// adminBase is the address of an admin port: the given one, or that of the settings on this machine. Errors: exitError with exitUsage.
func adminBase(at string, cfg config) (string, error) {
	if at == "" {
		if cfg.adminAddr == "" {
			return "", &exitError{exitUsage, errors.New("--admin-url: the shop of these settings has no admin port")}
		}
		at = "http://" + reachable(cfg.adminAddr)
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		return "", &exitError{exitUsage, fmt.Errorf("--admin-url: %q is no address of an admin port; expected such as http://127.0.0.1:8081", at)}
	}
	return u.Scheme + "://" + u.Host, nil
}

// levelPatience is more than enough: nothing is waited for.
const levelPatience = 5 * time.Second

// askLevel reads or changes the level of a process. Errors: exitError with exitDependency, when it does not answer, or with exitFailed, when it refuses or is no shop.
func askLevel(ctx context.Context, method, target, body string) (logging.LevelState, error) {
	var state logging.LevelState
	ctx, cancel := context.WithTimeout(ctx, levelPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewBufferString(body))
	if err != nil {
		return state, err
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy of the environment
	answer, err := client.Do(r)
	if err != nil {
		return state, &exitError{exitDependency, err}
	}
	defer func() { _ = answer.Body.Close() }() // it is only read
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return state, &exitError{exitDependency, err}
	}
	if answer.Header.Get("Content-Type") == "application/problem+json" {
		return state, &exitError{exitFailed, errors.New(fault.FromProblem(answer.StatusCode, answer.Header, said).Message)}
	}
	if err := json.Unmarshal(said, &state); answer.StatusCode != http.StatusOK || err != nil || state.Level == "" {
		return state, &exitError{exitFailed, fmt.Errorf("%s answers %s: that is no admin port of this version of shop", target, answer.Status)}
	}
	return state, nil
}

func printLevel(t *text, s logging.LevelState) {
	switch {
	case s.Until != nil:
		t.linef("%s until %s, then %s", s.Level, s.Until.Format(time.RFC3339), s.Configured)
	case s.Level != s.Configured:
		t.linef("%s (configured: %s)", s.Level, s.Configured)
	default:
		t.linef("%s", s.Level)
	}
}
