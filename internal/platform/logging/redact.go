package logging

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/fault"
)

// redactingCore is the last gate before the output. Whoever logs keeps to what may be said; but an error may repeat what a server, a driver or a client sent, and nobody sees that in
// the code. So texts are looked through here, once, when a line is written. It also says error.type of an error that is a fault.
type redactingCore struct {
	zapcore.Core
	hide *redactor
}

// With implements zapcore.Core.
func (c *redactingCore) With(fields []zap.Field) zapcore.Core {
	return &redactingCore{c.Core.With(c.clean(fields)), c.hide}
}

// Check implements zapcore.Core.
func (c *redactingCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *redactingCore) Write(e zapcore.Entry, fields []zap.Field) error {
	e.Message = c.hide.text(e.Message)
	return c.Core.Write(e, c.clean(fields))
}

const (
	errorKey     = "error"
	errorTypeKey = "error.type"
)

// clean gives the fields as they may be written.
func (c *redactingCore) clean(fields []zap.Field) []zap.Field {
	cleaned := make([]zap.Field, 0, len(fields)+1)
	errorType := ""
	for _, f := range fields {
		switch f.Type {
		case zapcore.StringType:
			if f.Key == errorTypeKey {
				errorType = f.String
				continue
			}
			f.String = c.hide.text(f.String)
		case zapcore.ErrorType:
			if known := fault.As(f.Interface.(error)); known != nil && f.Key == errorKey && errorType == "" {
				errorType = known.Code
			}
			f = zap.String(f.Key, c.hide.text(fmt.Sprint(f.Interface))) // which takes a nil pointer for what it is
		case zapcore.StringerType, zapcore.ReflectType:
			f = zap.String(f.Key, c.hide.text(fmt.Sprint(f.Interface)))
		case zapcore.ByteStringType:
			f = zap.String(f.Key, c.hide.text(string(f.Interface.([]byte))))
		case zapcore.InlineMarshalerType, zapcore.ObjectMarshalerType:
			f.Interface = redactedObject{f.Interface.(zapcore.ObjectMarshaler), c.hide}
		default: // numbers, times, and lists of words
		}
		cleaned = append(cleaned, f)
	}
	if errorType != "" {
		cleaned = append(cleaned, zap.String(errorTypeKey, errorType))
	}
	return cleaned
}

// redactedObject is one whose texts are looked through as they are written, such as the ids of telemetry.Fields: the key of a message may be what an issuer calls a customer.
type redactedObject struct {
	zapcore.ObjectMarshaler
	hide *redactor
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (o redactedObject) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(redactingEncoder{enc, o.hide})
}

type redactingEncoder struct {
	zapcore.ObjectEncoder
	hide *redactor
}

// AddString implements zapcore.ObjectEncoder. What is written in hex is no card's number, whatever it looks like.
func (e redactingEncoder) AddString(key, value string) {
	if key != "trace_id" && key != "span_id" {
		value = e.hide.text(value)
	}
	e.ObjectEncoder.AddString(key, value)
}

// redactor knows what must not be read in a log.
type redactor struct {
	secrets *strings.Replacer // nil without any
}

// shortestSecret: what is shorter is a word of many lines.
const shortestSecret = 6

func newRedactor(secrets []string) *redactor {
	var pairs []string
	for _, s := range secrets {
		for _, spelled := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(s) >= shortestSecret {
				pairs = append(pairs, spelled, "[secret]")
			}
		}
	}
	if pairs == nil {
		return &redactor{}
	}
	return &redactor{strings.NewReplacer(pairs...)}
}

var (
	userInfo   = regexp.MustCompile(`://[^/\s"'@]+@`)                                                  // of a URL
	tokens     = regexp.MustCompile(`(?i)\bbearer\s+[^\s"',;]+|\beyJ[A-Za-z0-9_-]{5,}[A-Za-z0-9_.-]*`) // RFC 6750; a JSON object in base64 begins with eyJ
	emails     = regexp.MustCompile(`[^\s"'<>()\[\],;:/=]+(?:@|%40)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`)
	methods    = regexp.MustCompile(`\bpm_[A-Za-z0-9_]+`) // payment methods: whoever has one can charge it
	cardNumber = regexp.MustCompile(`\b\d(?:[ -]?\d){12,18}\b`)
)

// text is s without what must not be read. Most texts have nothing that could be meant, which is seen without a regular expression.
func (r *redactor) text(s string) string {
	if r.secrets != nil {
		s = r.secrets.Replace(s)
	}
	if strings.IndexByte(s, '@') >= 0 || strings.Contains(s, "%40") {
		s = userInfo.ReplaceAllString(s, "://[secret]@")
		s = emails.ReplaceAllString(s, "[email]")
	}
	if strings.Contains(s, "eyJ") || strings.Contains(strings.ToLower(s), "bearer") {
		s = tokens.ReplaceAllString(s, "[token]")
	}
	if strings.Contains(s, "pm_") {
		s = methods.ReplaceAllString(s, "[payment method]")
	}
	if digits(s) >= 13 {
		s = cardNumber.ReplaceAllStringFunc(s, func(number string) string {
			if luhn(number) {
				return "[card]"
			}
			return number
		})
	}
	return s
}

func digits(s string) (n int) {
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	return n
}

// luhn reports whether the digits have the check digit of a card number (ISO/IEC 7812-1).
func luhn(number string) bool {
	sum, double := 0, false
	for i := len(number) - 1; i >= 0; i-- {
		if number[i] < '0' || number[i] > '9' {
			continue
		}
		d := int(number[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
