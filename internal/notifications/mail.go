package notifications

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
)

// Security is how the way to a mail server is protected.
type Security string

const (
	StartTLS Security = "starttls" // the connection is encrypted before anything is said; a server that cannot is refused
	TLS      Security = "tls"      // it is encrypted from the start
	Plain    Security = "none"     // it is not: for a server on the same machine or in a network that nobody else hears
)

// defaultPorts by RFC 6409, RFC 8314 and RFC 5321.
var defaultPorts = map[Security]int{StartTLS: 587, TLS: 465, Plain: 25}

// Mail is a mail server, and as whom it is spoken to.
type Mail struct {
	Host     string
	Port     int
	Security Security
	User     string // empty: without authentication
	Password string
	From     mail.Address // its name is that of the shop
}

// The reasons why a setting is refused. They repeat nothing of what was given, which may hold a password.
var (
	errSMTPURL      = errors.New("expected smtp://USER:PASSWORD@HOST:PORT?tls=starttls, with tls being starttls, tls or none, and everything but the host optional")
	errSMTPPassword = errors.New("a password is not sent over a connection without TLS: take tls=starttls or tls=tls")
	errMailFrom     = errors.New(`expected an address to write from, such as "Tea Shop <orders@example.org>"`)
)

// ParseSMTP reads smtp://user:password@host:port?tls=starttls|tls|none. Without tls it is starttls, without port 587, 465 or 25. Errors: what is expected, without what
// was given.
func ParseSMTP(raw string) (Mail, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "smtp" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" || strings.ContainsAny(u.Hostname(), " \t\r\n") {
		return Mail{}, errSMTPURL
	}
	m := Mail{Host: u.Hostname(), Security: StartTLS, User: u.User.Username()}
	m.Password, _ = u.User.Password()
	for name, values := range u.Query() {
		if name != "tls" || len(values) != 1 {
			return Mail{}, errSMTPURL
		}
		m.Security = Security(values[0])
	}
	var known bool
	if m.Port, known = defaultPorts[m.Security]; !known || (m.User == "") != (m.Password == "") {
		return Mail{}, errSMTPURL
	}
	if p := u.Port(); p != "" {
		if m.Port, err = strconv.Atoi(p); err != nil || m.Port < 1 || m.Port > 65535 {
			return Mail{}, errSMTPURL
		}
	}
	if m.User != "" && m.Security == Plain {
		return Mail{}, errSMTPPassword
	}
	return m, nil
}

// ParseFrom reads the address that messages come from, with the name of the shop or without. Errors: what is expected.
func ParseFrom(raw string) (mail.Address, error) {
	a, err := mail.ParseAddress(raw)
	if err != nil || !strings.Contains(domainOf(a.Address), ".") && domainOf(a.Address) != "localhost" {
		return mail.Address{}, errMailFrom
	}
	return *a, nil
}

// String is the server for logs, without the password.
func (m Mail) String() string {
	return fmt.Sprintf("smtp://%s?tls=%s", net.JoinHostPort(m.Host, strconv.Itoa(m.Port)), m.Security)
}

// shop is what the shop calls itself.
func (m Mail) shop() string {
	if m.From.Name != "" {
		return m.From.Name
	}
	return domainOf(m.From.Address)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
