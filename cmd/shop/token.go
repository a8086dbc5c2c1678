package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"shop/internal/platform/auth"
	"shop/internal/platform/id"
)

func (p *program) tokenCommand() *cobra.Command {
	var role, subject string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Sign a token with the development key",
		Long: `Token prints a token for the API of a shop that runs on this machine with the same data directory (--data), and nothing else, so that it can be used at once:

  TOKEN=$(shop token --role operator)
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/v1/orders

It is signed with the development key, which 'shop serve' and 'shop token' make in the data directory when there is none. Whoever can read that file can
be anybody, so such a shop listens on this machine only. A shop for others takes its tokens from an issuer: set SHOP_JWT_….`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.printToken(cfg, auth.Role(role), subject, ttl)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "operator, customer or service")
	cmd.Flags().StringVar(&subject, "subject", "", "who it is for; a customer's id is their subject (default operator, service, or the id of a new customer)")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]cobra.Completion{"operator", "customer", "service"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	settingFlags(cmd, "data")
	cmd.AddCommand(p.tokenKeyCommand())
	return cmd
}

func (p *program) tokenKeyCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print the public half of the development key",
		Long: `Key prints the public half of the development key, in PEM, and makes the key if there is none. Give it to shops in containers or on other machines of your own, and
they believe the tokens of 'shop token':

  shop token key --out keys.pem
  SHOP_JWT_ISSUER=` + auth.DevelopmentIssuer + ` SHOP_JWT_AUDIENCE=` + auth.DevelopmentAudience + ` SHOP_JWT_KEYS=keys.pem shop serve --addr :8080

Whoever can read the private half, in the data directory, can be anybody in all of them. It is for trying a deployment out, before it has an issuer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.configure(cmd)
			if err != nil {
				return err
			}
			return p.printKey(cfg, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file to write it to, instead of printing it")
	settingFlags(cmd, "data")
	return cmd
}

// printKey prints the public half of the development key, or writes it to the file out. Errors: exitError with exitConfiguration; that it cannot be written.
func (p *program) printKey(cfg config, out string) error {
	if cfg.issuer != nil {
		return errIssued(cfg)
	}
	signer, err := cfg.developmentSigner()
	if err != nil {
		return err
	}
	key, err := signer.PublicKey()
	if err != nil {
		return err
	}
	if out == "" {
		_, err = p.stdout.Write(key)
		return err
	}
	return os.WriteFile(out, key, 0o644) //nolint:gosec // public, and read by shops of other users
}

// errIssued refuses the development key where an issuer signs.
func errIssued(cfg config) error {
	return configError("SHOP_JWT_ISSUER: tokens of this shop come from %s; shop signs only with its development key, which is not used then", cfg.issuer.name)
}

// printToken signs a token and prints it. Errors: exitError with exitUsage or exitConfiguration.
func (p *program) printToken(cfg config, role auth.Role, subject string, ttl time.Duration) error {
	if subject == "" {
		subject = string(role)
		if role == auth.Customer {
			subject = id.New("cus")
		}
	}
	who := auth.Principal{Role: role, Subject: subject}
	switch {
	case !who.Has(auth.Operator, auth.Customer, auth.Service):
		return &exitError{exitUsage, fmt.Errorf("--role: %q is not one of operator, customer, service", role)}
	case !auth.ValidSubject(subject):
		return &exitError{exitUsage, fmt.Errorf("--subject: expected at most %d characters as in %s, and not %s", auth.MaxSubject, auth.SubjectPattern, auth.Guest)}
	case ttl <= 0:
		return &exitError{exitUsage, errors.New("--ttl: expected more than 0")}
	case cfg.issuer != nil:
		return errIssued(cfg)
	}
	signer, err := cfg.developmentSigner()
	if err != nil {
		return err
	}
	token, err := signer.Sign(who, time.Now(), ttl)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}
