package notifications

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMailServerIsNamedByAURL(t *testing.T) {
	for raw, want := range map[string]Mail{
		"smtp://mail.example.org":                                      {Host: "mail.example.org", Port: 587, Security: StartTLS},
		"smtp://mail.example.org?tls=tls":                              {Host: "mail.example.org", Port: 465, Security: TLS},
		"smtp://localhost?tls=none":                                    {Host: "localhost", Port: 25, Security: Plain},
		"smtp://localhost:1025/?tls=none":                              {Host: "localhost", Port: 1025, Security: Plain},
		"smtp://shop%40example.org:p%40ss%2Fw%3Ard@mail.example.org:2": {Host: "mail.example.org", Port: 2, Security: StartTLS, User: "shop@example.org", Password: "p@ss/w:rd"},
		"smtp://[::1]:25?tls=none":                                     {Host: "::1", Port: 25, Security: Plain},
	} {
		m, err := ParseSMTP(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, m, raw)
		require.NotContains(t, m.String(), "p@ss")
	}
	for _, raw := range []string{"", "mail.example.org", "http://mail.example.org", "smtp://", "smtp://:25", "smtp://h:0", "smtp://h:65536", "smtp://h:x", "smtp://h?tls=yes", "smtp://h?tls=",
		"smtp://h?ssl=1", "smtp://h?tls=tls&tls=none", "smtp://user@h", "smtp://:geheim@h", "smtp://h/path", "smtp://user:geheim@h?tls=none", "smtp://user:geheim@h:bad", "smtp://h#f"} {
		_, err := ParseSMTP(raw)
		require.Error(t, err, raw)
		require.NotContains(t, err.Error(), "geheim")
	}
}

func TestMessagesComeFromAnAddress(t *testing.T) {
	a, err := ParseFrom("Tea Shop <orders@tea.example>")
	require.NoError(t, err)
	require.Equal(t, "Tea Shop", Mail{From: a}.shop())
	a, err = ParseFrom("orders@tea.example")
	require.NoError(t, err)
	require.Equal(t, "tea.example", Mail{From: a}.shop())
	_, err = ParseFrom("shop@localhost")
	require.NoError(t, err)
	for _, raw := range []string{"", "Tea Shop", "orders@tea", "a@b.c, d@e.f", "orders@tea.example\r\nBcc: x@y.z"} {
		_, err := ParseFrom(raw)
		require.Error(t, err, raw)
	}
}
