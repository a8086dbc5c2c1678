package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// style writes the story, with a little colour on a terminal that wants it (https://no-color.org).
type style struct {
	text
	colour bool
	count  int
}

func newStyle(w io.Writer, environ []string) *style {
	return &style{text: text{w: w}, colour: isTerminal(w) && !noColour(environ)}
}

func (s *style) paint(code, words string) string {
	if !s.colour {
		return words
	}
	return "\x1b[" + code + "m" + words + "\x1b[0m"
}

func (s *style) title(words string) { s.linef("%s\n", s.paint("1", words)) }

func (s *style) heading(words string) {
	s.count++
	s.linef("\n%s", s.paint("1", fmt.Sprintf("%d. %s", s.count, words)))
}

func (s *style) say(format string, args ...any) { s.linef("   "+format, args...) }

func (s *style) request(format string, args ...any) {
	s.linef("   %s", s.paint("36", fmt.Sprintf(format, args...)))
}

func (s *style) event(after time.Duration, name, meaning string) {
	s.linef("     %7.1f ms  %-23s %s", float64(after.Microseconds())/1000, name, meaning)
}

func (s *style) outcome(good bool, format string, args ...any) {
	code := "33"
	if good {
		code = "32"
	}
	s.linef("   %s", s.paint(code, fmt.Sprintf(format, args...)))
}

// noColour reports whether the user does not want any: NO_COLOR is there and not empty.
func noColour(environ []string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		value, ok := strings.CutPrefix(kv, "NO_COLOR=")
		return ok && value != ""
	})
}
