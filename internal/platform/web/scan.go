package web

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"shop/internal/platform/fault"
)

// maxDepth is how deep arrays and objects may nest.
const maxDepth = 32

// scanner reads one JSON text strictly: RFC 8259, and beyond it no duplicate key, no NUL, no lone surrogate, no invalid
// UTF-8, nothing after the value. All its errors are faults of kind Malformed that name a position, not a value.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) malformed(what string) error {
	return fault.Newf(fault.Malformed, "malformed_json", "the body is not valid JSON: %s at byte %d", what, s.pos)
}

// next skips white space and returns the byte there, 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// end requires that only white space is left.
func (s *scanner) end() error {
	if s.next(); s.pos < len(s.data) {
		return s.malformed("unexpected data after the value")
	}
	return nil
}

// enter goes into an array or object, whose opening bracket is next.
func (s *scanner) enter() error {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return fault.Newf(fault.Malformed, "too_deep", "the body nests deeper than %d levels", maxDepth)
	}
	return nil
}

// more reports whether an element follows, in an array or object that ends with the given bracket; first tells that
// none was read yet. It consumes the comma or the bracket.
func (s *scanner) more(bracket byte, first bool) (bool, error) {
	switch c := s.next(); {
	case c == bracket:
		s.pos++
		s.depth--
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.pos++
		if s.next() == bracket {
			return false, s.malformed("unexpected comma")
		}
		return true, nil
	}
	return false, s.malformed("expected ',' or '" + string(bracket) + "'")
}

// key reads a key and its colon.
func (s *scanner) key() (text, error) {
	if s.next() != '"' {
		return text{}, s.malformed("expected a key in quotes")
	}
	t, err := s.text()
	if err != nil {
		return t, err
	}
	if s.next() != ':' {
		return t, s.malformed("expected ':'")
	}
	s.pos++
	return t, nil
}

// text is a string token: what stands between the quotes.
type text struct {
	raw     []byte
	escaped bool // contains \
	ascii   bool // and so as many characters as bytes, unless escaped
}

// value is the string without its escapes. Only an escaped one is copied.
func (t text) value() []byte {
	if !t.escaped {
		return t.raw
	}
	return unescape(t.raw)
}

// text reads a string whose opening quote is next.
func (s *scanner) text() (text, error) {
	start := s.pos + 1
	t := text{ascii: true}
	for i := start; i < len(s.data); {
		switch c := s.data[i]; {
		case c == '"':
			t.raw = s.data[start:i]
			s.pos = i + 1
			return t, nil
		case c == '\\':
			n, err := s.escape(i)
			if err != nil {
				return t, err
			}
			t.escaped = true
			i += n
		case c < ' ':
			s.pos = i
			return t, s.malformed("control character in a string")
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(s.data[i:])
			if r == utf8.RuneError && n == 1 {
				s.pos = i
				return t, s.malformed("invalid UTF-8")
			}
			t.ascii = false
			i += n
		}
	}
	s.pos = len(s.data)
	return t, s.malformed("unfinished string")
}

// escape checks the escape sequence at i and returns its length, with that of a second surrogate.
func (s *scanner) escape(i int) (int, error) {
	s.pos = i // for the message
	if i+1 >= len(s.data) {
		return 0, s.malformed("unfinished string")
	}
	switch s.data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
	default:
		return 0, s.malformed("invalid escape")
	}
	r, ok := hex4(s.data, i+2)
	switch {
	case !ok:
		return 0, s.malformed("invalid escape")
	case r == 0:
		return 0, s.malformed("NUL in a string")
	case !utf16.IsSurrogate(r):
		return 6, nil
	}
	if i+7 < len(s.data) && s.data[i+6] == '\\' && s.data[i+7] == 'u' {
		if low, ok := hex4(s.data, i+8); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12, nil
		}
	}
	return 0, s.malformed("lone surrogate")
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape decodes a string that text has checked.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if c := escapes[raw[i+1]]; c != 0 {
			out = append(out, c)
			i += 2
			continue
		}
		r, _ := hex4(raw, i+2)
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(raw, i+2)
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// number reads a number and tells whether it is written as an integer.
func (s *scanner) number() (raw []byte, integer bool, err error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case !s.digits():
		return nil, false, s.malformed("invalid number")
	}
	integer = true
	if s.peek() == '.' {
		integer = false
		s.pos++
		if !s.digits() {
			return nil, false, s.malformed("invalid number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		integer = false
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return nil, false, s.malformed("invalid number")
		}
	}
	return s.data[start:s.pos], integer, nil
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

// literal reads true, false or null.
func (s *scanner) literal(word string) error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return s.malformed("invalid literal")
	}
	s.pos += len(word)
	return nil
}

// skip reads any value and returns it as it is written.
func (s *scanner) skip() (raw []byte, err error) {
	c := s.next()
	start := s.pos
	switch {
	case c == '{':
		err = s.skipObject()
	case c == '[':
		err = s.skipArray()
	case c == '"':
		_, err = s.text()
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		_, _, err = s.number()
	default:
		err = s.malformed("expected a value")
	}
	return s.data[start:s.pos], err
}

func (s *scanner) skipArray() error {
	if err := s.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		if more, err := s.more(']', first); !more {
			return err
		}
		if _, err := s.skip(); err != nil {
			return err
		}
	}
}

func (s *scanner) skipObject() error {
	if err := s.enter(); err != nil {
		return err
	}
	var keys keySet
	for first := true; ; first = false {
		if more, err := s.more('}', first); !more {
			return err
		}
		key, err := s.key()
		if err != nil {
			return err
		}
		if !keys.add(key.value()) {
			return s.duplicateKey()
		}
		if _, err := s.skip(); err != nil {
			return err
		}
	}
}

func (s *scanner) duplicateKey() error {
	return fault.New(fault.Malformed, "duplicate_key", "an object has the same key twice, before byte "+strconv.Itoa(s.pos))
}

// keySet finds duplicate keys: by comparing while they are few, as in most objects, then by a map.
type keySet struct {
	few  [][]byte
	many map[string]struct{}
}

func (k *keySet) add(key []byte) (isNew bool) {
	if k.many == nil {
		for _, other := range k.few {
			if string(other) == string(key) {
				return false
			}
		}
		if k.few = append(k.few, key); len(k.few) <= 16 {
			return true
		}
		k.many = make(map[string]struct{}, 64)
		for _, other := range k.few {
			k.many[string(other)] = struct{}{}
		}
		return true
	}
	if _, ok := k.many[string(key)]; ok {
		return false
	}
	k.many[string(key)] = struct{}{}
	return true
}

// checkStrict reports why data is no single strict JSON value.
func checkStrict(data []byte) error {
	s := scanner{data: data}
	if _, err := s.skip(); err != nil {
		return err
	}
	return s.end()
}
