package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/notifications"
)

func TestCustomersAreWrittenToThroughTheServerThatIsNamed(t *testing.T) {
	c, err := configured(t, nil)
	require.NoError(t, err)
	require.Nil(t, c.mail)

	c, err = configured(t, []string{"SHOP_SMTP_URL=smtp://shop:geheim@mail.example.org", "SHOP_MAIL_FROM=Tea Shop <orders@tea.example>"})
	require.NoError(t, err)
	require.Equal(t, "mail.example.org", c.mail.Host)
	require.Equal(t, notifications.StartTLS, c.mail.Security)
	require.Equal(t, "orders@tea.example", c.mail.From.Address)
	require.Empty(t, c.warnings)
}

func TestAWrongMailServerIsOneLineWithoutThePassword(t *testing.T) {
	from, server := "SHOP_MAIL_FROM=orders@tea.example", "SHOP_SMTP_URL=smtp://shop:geheim@mail.example.org"
	for says, environ := range map[string][]string{
		"SHOP_SMTP_URL: is missing":             {from},
		"SHOP_MAIL_FROM: is missing":            {server},
		"SHOP_MAIL_FROM: expected an address":   {server, "SHOP_MAIL_FROM=the shop"},
		"SHOP_SMTP_URL: expected smtp://USER":   {from, "SHOP_SMTP_URL=smtp://shop:geheim@mail.example.org:port"},
		"SHOP_SMTP_URL: a password is not sent": {from, server + "?tls=none"},
	} {
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), []string{"serve", "--data", filepath.Join(t.TempDir(), "none")}, environ, &stdout, &stderr)
		require.Equal(t, exitConfiguration, code, says)
		require.Contains(t, stderr.String(), says)
		require.NotContains(t, stderr.String(), "geheim")
		require.Equal(t, 1, bytes.Count(stderr.Bytes(), []byte("\n")), stderr.String())
	}
}
