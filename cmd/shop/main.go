// Command shop is an order backend: products, stock, orders, payments and shipments behind one REST API, in one program.
//
// A file holds one command; contexts.go is the map of what the program consists of, and host.go brings it to life.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"shop/internal/platform/fault"
)

// version is stamped by the build: -ldflags "-X main.version=…".
var version = "unknown"

// How the program ends.
const (
	exitOK            = 0
	exitFailed        = 1 // it was tried and did not work, or something is broken
	exitUsage         = 2 // the command line makes no sense
	exitConfiguration = 3 // a setting is wrong
	exitDependency    = 4 // a database or another service is down
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // a second signal kills
	os.Exit(Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Run is the whole program: it runs the command that args name, until it is done or ctx ends, and returns the exit code. Data goes to stdout, everything
// else to stderr.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdout: stdout, stderr: stderr}
	root := p.command()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !p.began { // cobra refused the command line
		err = &exitError{exitUsage, err}
	}
	return p.report(cmd, err)
}

// program is what all commands share.
type program struct {
	environ        []string
	stdout, stderr io.Writer

	began  bool   // the command line was accepted
	output string // -o: text or json
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "shop",
		Short:         "An order backend in one program",
		Long:          "shop carries orders from POST /v1/orders to stock reserved, payment taken and goods shipped.\n\nTry it:    shop demo\nRun it:    shop serve",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			p.began = true
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetVersionTemplate("shop {{.Version}}\n")
	root.AddCommand(p.serveCommand(), p.demoCommand(), p.importCommand(), p.tokenCommand(), p.migrateCommand(), p.auditCommand(), p.deadLettersCommand(), p.contextsCommand(), p.traceCommand(), p.doctorCommand(), p.rebuildCommand(), p.logLevelCommand(), p.healthCheckCommand(), p.versionCommand())
	return root
}

// group is a command that only has commands.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return &exitError{exitUsage, fmt.Errorf("%s needs one of its commands", cmd.CommandPath())}
	}
	cmd.AddCommand(commands...)
	return cmd
}

// exitError is an error that decides how the program ends.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errTold ends a command that has told its outcome already: there is no further word.
var errTold = errors.New("failed")

// errReported is such an outcome, such as findings of an audit, with exit code 1.
var errReported = &exitError{exitFailed, errTold}

// add adds what a deferred step says to what its function returns.
func add(err *error, also error) {
	if also != nil {
		*err = errors.Join(*err, also)
	}
}

// report says on one line what went wrong, and how the program is to end.
func (p *program) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case fault.KindOf(err) == fault.Unavailable:
		code = exitDependency
	}
	if errors.Is(err, errTold) {
		return code
	}
	_, _ = fmt.Fprintf(p.stderr, "shop: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	if code == exitUsage {
		_, _ = fmt.Fprintf(p.stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return code
}
