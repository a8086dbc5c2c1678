package notifications

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// inbox is a mail server on this machine. What it does with a message depends on whom it is for:
//
//	refused@…  there is no such mailbox, 550
//	spam@…     the message is refused after its last byte, 554
//	busy@…     try again, 451, the first time
//	full@…     try again, 452, always
//	closing@…  the server is about to close, 421, the first time
//	cut@…      the message is taken, and the connection cut instead of the answer, the first time
//	mute@…     the message is taken, and no answer comes, the first time
type inbox struct {
	t      testing.TB
	server *smtp.Server
	addr   *net.TCPAddr
	trust  *tls.Config // trusts it
	closed chan struct{}

	mu       sync.Mutex
	letters  []post
	seen     map[string]int // addresses of RCPT, so many times
	begun    int            // connections
	password string         // that it wants, of the user shop
	mute     chan struct{}  // a message for mute@… has arrived
}

type post struct{ from, to, raw string }

// openInbox starts a mail server; alter may change it before.
func openInbox(t testing.TB, alter func(*smtp.Server)) *inbox {
	t.Helper()
	b := &inbox{t: t, seen: map[string]int{}, closed: make(chan struct{}), mute: make(chan struct{}, 16)}
	b.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.begun++
		return &session{inbox: b, conn: c}, nil
	}))
	b.server.Domain, b.server.AllowInsecureAuth, b.server.ErrorLog = "inbox.example", true, log.New(io.Discard, "", 0)
	cert, pool := selfSigned(t)
	b.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	b.trust = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if alter != nil {
		alter(b.server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.addr = l.Addr().(*net.TCPAddr)
	if b.server.LMTP { // stands for TLS from the first byte
		b.server.LMTP = false
		l = tls.NewListener(l, b.server.TLSConfig)
	}
	go func() { _ = b.server.Serve(l) }()
	t.Cleanup(b.close)
	return b
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.closed:
	default:
		close(b.closed)
		_ = b.server.Close()
	}
}

// mail is how to reach it.
func (b *inbox) mail(security Security) *Mail {
	return &Mail{Host: "127.0.0.1", Port: b.addr.Port, Security: security, From: mail.Address{Name: "Tea Shop", Address: "orders@tea.example"}}
}

// of are the messages that came for an address.
func (b *inbox) of(to string) []post {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []post
	for _, p := range b.letters {
		if p.to == to {
			found = append(found, p)
		}
	}
	return found
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.letters)
}

// session is one connection.
type session struct {
	*inbox
	conn     *smtp.Conn
	from, to string
	known    bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "shop" || password != s.password {
			return errors.New("who?")
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.password != "" && !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func says(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	s.seen[to]++
	times := s.seen[to]
	s.mu.Unlock()
	s.to = to
	switch {
	case strings.HasPrefix(to, "refused@"):
		return says(550, "no mailbox "+to)
	case strings.HasPrefix(to, "busy@") && times == 1:
		return says(451, "later")
	case strings.HasPrefix(to, "full@"):
		return says(452, "mailbox full")
	case strings.HasPrefix(to, "closing@") && times == 1:
		return says(421, "closing")
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if strings.HasPrefix(s.to, "spam@") {
		return says(554, "no")
	}
	s.mu.Lock()
	s.letters = append(s.letters, post{s.from, s.to, string(raw)})
	first := s.seen[s.to] == 1
	s.mu.Unlock()
	switch {
	case strings.HasPrefix(s.to, "cut@") && first:
		return s.conn.Conn().Close()
	case strings.HasPrefix(s.to, "mute@") && first:
		s.mute <- struct{}{}
		<-s.closed
		return s.conn.Conn().Close()
	}
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// selfSigned is a certificate for 127.0.0.1, and who trusts it.
func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// opened is a message as a mail program reads it.
type opened struct {
	header     mail.Header
	subject    string
	text, html string
}

func (p post) open(t *testing.T) opened {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(p.raw))
	require.NoError(t, err)
	o := opened{header: m.Header}
	o.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return o
		}
		require.NoError(t, err)
		require.Equal(t, "quoted-printable", part.Header.Get("Content-Transfer-Encoding"))
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		require.NoError(t, err)
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			o.html = string(b)
		} else {
			o.text = strings.ReplaceAll(string(b), "\r\n", "\n")
		}
	}
}
