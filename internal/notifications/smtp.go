package notifications

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// smtpSender speaks to a mail server (RFC 5321).
type smtpSender struct {
	mail    Mail
	timeout time.Duration
	trust   *tls.Config // nil: the machine's certificate authorities
}

// connection is a conversation with a mail server, authenticated, with nothing said about a message yet. nil is none.
type connection struct {
	sender *smtpSender
	client *gomail.Client
	line   *smtp.Client
	broken bool
}

// connect begins a conversation. Errors: why the server cannot be used at the moment, or at all.
func (s *smtpSender) connect(ctx context.Context) (*connection, error) {
	client, err := gomail.NewClient(s.mail.Host, s.options()...)
	if err != nil {
		return nil, err
	}
	line, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.mail, err)
	}
	return &connection{sender: s, client: client, line: line}, nil
}

func (s *smtpSender) options() []gomail.Option {
	options := []gomail.Option{gomail.WithPort(s.mail.Port), gomail.WithTimeout(s.timeout), gomail.WithHELO(domainOf(s.mail.From.Address))}
	switch s.mail.Security {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		options = append(options, gomail.WithSSL())
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.trust != nil {
		options = append(options, gomail.WithTLSConfig(s.trust))
	}
	if s.mail.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.mail.User), gomail.WithPassword(s.mail.Password))
	}
	return options
}

// hangUp ends the conversation, politely if there still is one.
func (c *connection) hangUp() {
	if c == nil {
		return
	}
	if c.broken || c.client.CloseWithSMTPClient(c.line) != nil {
		_ = c.line.Close()
	}
}

// deliver sends one message and says what came of it.
func (c *connection) deliver(in intent) outcome {
	m, err := c.sender.compose(in)
	if err != nil {
		return outcome{state: failed, problem: err.Error(), usable: true}
	}
	err = c.client.SendWithSMTPClient(c.line, m)
	o := outcomeOf(err, m.IsDelivered())
	c.broken = !o.usable
	return o
}

// compose makes the message of an intent. Errors: what cannot be written, or nobody be sent.
func (s *smtpSender) compose(in intent) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(in.Email)
	if err != nil || to.Address != in.Email {
		return nil, errors.New("the customer's address is none")
	}
	text, err := in.render(s.mail.shop())
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&s.mail.From)
	m.ToMailAddress(&mail.Address{Name: oneLine(in.Name), Address: to.Address})
	m.Subject(oneLine(text.subject))
	m.SetDate()
	m.SetMessageIDWithValue(in.ID + "@" + domainOf(s.mail.From.Address)) // the same at each attempt
	m.SetGenHeader("Auto-Submitted", "auto-generated")                   // RFC 3834: nobody's absence note answers it
	m.SetBodyString(gomail.TypeTextPlain, text.text)
	m.AddAlternativeString(gomail.TypeTextHTML, text.html)
	return m, nil
}

// problemLength is how much is kept of what a mail server said.
const problemLength = 300

// outcomeOf says what the end of a conversation about a message means. delivered: the server has answered the message's last byte with a yes.
func outcomeOf(err error, delivered bool) outcome {
	if delivered {
		return outcome{state: sent, usable: err == nil}
	}
	var refusal *gomail.SendError
	if !errors.As(err, &refusal) { // nothing is known, so nothing is assumed
		return outcome{state: unknown, problem: problemOf(err)}
	}
	code := refusal.ErrorCode()
	o := outcome{state: pending, problem: problemOf(err), code: code}
	switch {
	case code >= 500 && refusal.Reason == gomail.ErrSMTPMailFrom: // a no to us, not to the customer: somebody will mend the settings
		o.usable = true
	case code >= 500: // a permanent no
		o.state, o.usable = failed, true
	case code >= 400: // not now; 421 ends the conversation
		o.usable = code != 421
	case refusal.Reason == gomail.ErrConnCheck: // the conversation was over before it came to the message
		o.free = true
	case refusal.Reason == gomail.ErrSMTPDataClose: // the last byte was sent, and no answer came
		o.state = unknown
	case refusal.Reason == gomail.ErrGetSender, refusal.Reason == gomail.ErrGetRcpts, refusal.Reason == gomail.ErrNoUnencoded:
		o.state, o.usable = failed, true
	}
	return o
}

// problemOf is an error in one line.
func problemOf(err error) string {
	if err == nil {
		return "the mail server did not say what it did with the message"
	}
	said, _, _ := strings.Cut(err.Error(), ", affected ") // the library goes on with whom and what
	s := oneLine(said)
	if r := []rune(s); len(r) > problemLength {
		s = string(r[:problemLength])
	}
	return s
}
