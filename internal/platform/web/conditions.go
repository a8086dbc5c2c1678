package web

import (
	"strconv"
	"strings"
	"time"

	"shop/internal/platform/fault"
)

// MaxWait is the longest that PreferWait lets a caller wait.
const MaxWait = 30 * time.Second

// PreferWait reads "wait=N", in whole seconds, from a Prefer header (RFC 7240). More than MaxWait is MaxWait; a value that
// is no number, or not positive, is ignored, as the RFC asks. ok tells whether the caller waits at all.
func PreferWait(header string) (wait time.Duration, ok bool) {
	for header != "" {
		var preference string
		preference, header, _ = strings.Cut(header, ",")
		preference, _, _ = strings.Cut(preference, ";")
		name, value, found := strings.Cut(preference, "=")
		if !found || !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if !allDigits(value) {
			return 0, false
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return MaxWait, true // digits that do not fit: longer than any cap
		}
		return min(time.Duration(n)*time.Second, MaxWait), n > 0
	}
	return 0, false
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// PreferenceApplied is the answer's header for a wait that was granted: "wait=5".
func PreferenceApplied(wait time.Duration) string {
	return "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
}

// ETag is the entity tag of a version of a resource: "7", in quotes.
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ErrVersionConflict: the resource is no longer the version that If-Match names.
var ErrVersionConflict = fault.New(fault.Precondition, "version_conflict", "the resource has changed since it was read; read it again")

// IfMatch reads the version a caller insists on. Without the header, or with "*", present is false. A tag that ETag did
// not make cannot match. Errors: ErrVersionConflict.
func IfMatch(header string) (version int64, present bool, err error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, false, nil
	}
	quoted, ok := strings.CutPrefix(header, `"`)
	if !ok {
		return 0, true, ErrVersionConflict
	}
	digits, ok := strings.CutSuffix(quoted, `"`)
	if !ok || !allDigits(digits) {
		return 0, true, ErrVersionConflict
	}
	if version, err = strconv.ParseInt(digits, 10, 64); err != nil {
		return 0, true, ErrVersionConflict
	}
	return version, true, nil
}
