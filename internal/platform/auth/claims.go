package auth

import (
	"regexp"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// SubjectPattern is what a subject looks like, and so a customer's id, which travels in paths; it has at most MaxSubject characters.
const (
	SubjectPattern = `^[A-Za-z0-9][A-Za-z0-9._:|@+~=-]*$`
	MaxSubject     = 255
)

var subjectForm = regexp.MustCompile(SubjectPattern)

// ValidSubject reports whether a token may have the subject.
func ValidSubject(s string) bool {
	return len(s) <= MaxSubject && s != Guest && subjectForm.MatchString(s)
}

// principal is whom verified claims name.
func (v *Verifier) principal(claims jwt.MapClaims) (Principal, error) {
	subject, err := claims.GetSubject()
	if err != nil || !ValidSubject(subject) {
		return Principal{}, refused("a subject that cannot be an id")
	}
	role := strongest(claimAt(claims, v.config.RoleClaim))
	if role == "" {
		role = v.config.DefaultRole
	}
	if role == "" {
		return Principal{}, ErrNoRole
	}
	return Principal{Role: role, Subject: subject}, nil
}

// claimAt is the claim of that name, dots and all, or else what the path leads to. Nil when there is none.
func claimAt(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	name, rest, deeper := strings.Cut(path, ".")
	inner, ok := claims[name].(map[string]any)
	if !deeper || !ok {
		return nil
	}
	return claimAt(inner, rest)
}

// byStrength are the roles, the one that may do most first.
var byStrength = []Role{Operator, Service, Customer}

// strongest is the role that may do most of those that a claim names: a string, several in one with spaces between (as in scope), or an array. Empty when
// none is ours.
func strongest(claim any) Role {
	named := map[string]bool{}
	switch c := claim.(type) {
	case string:
		for _, s := range strings.Fields(c) {
			named[s] = true
		}
	case []any:
		for _, e := range c {
			if s, ok := e.(string); ok {
				named[s] = true
			}
		}
	}
	for _, role := range byStrength {
		if named[string(role)] {
			return role
		}
	}
	return ""
}
