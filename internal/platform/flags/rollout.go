package flags

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/open-feature/go-sdk/openfeature"
)

// Rollout is one flag: for whom it is on, and what else is to be done meanwhile. The zero value is off for everybody.
type Rollout struct {
	Percent float64  `json:"percent"` // of the keys it is on for, 0 to 100
	Allow   []string `json:"allow"`   // keys and names that it is on for, whatever the share
	Deny    []string `json:"deny"`    // that it is off for, also when they are allowed
	Kill    bool     `json:"kill"`    // off for everybody, and nothing else is done either

	Mirror   bool     `json:"mirror"`   // ask both ways and compare
	Fallback bool     `json:"fallback"` // go the old way where the new one fails
	Ignore   []string `json:"ignore"`   // differences that are none: fields
}

// decide says whether the flag is on for a key, or for one of the names that who has the key goes by as well. Errors: that it depends on the key, and there is none.
func (r *Rollout) decide(flag, key string, names []string) (on bool, reason openfeature.Reason, err error) {
	listed := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return s == key || slices.Contains(names, s) })
	}
	switch {
	case r.Kill:
		return false, openfeature.DisabledReason, nil
	case listed(r.Deny):
		return false, openfeature.TargetingMatchReason, nil
	case listed(r.Allow):
		return true, openfeature.TargetingMatchReason, nil
	case r.Percent <= 0:
		return false, openfeature.StaticReason, nil
	case r.Percent >= 100:
		return true, openfeature.StaticReason, nil
	case key == "":
		return false, openfeature.ErrorReason, openfeature.NewTargetingKeyMissingResolutionError("a share is of keys, and there is none")
	}
	return position(flag, key) < r.Percent, openfeature.SplitReason, nil
}

// position is where a key stands among all, from 0 to below 100: the flag is on for it when the share is larger. The name of the flag is a part of it, so that those who are
// the first of one rollout are not the first of all.
func position(flag, key string) float64 {
	sum := sha256.Sum256([]byte(flag + "\x00" + key))
	const bits = 53 // of a float64 without loss
	return float64(binary.BigEndian.Uint64(sum[:])>>(64-bits)) / (1 << bits) * 100
}

// How the rest of a rollout is called in the metadata of an evaluation. OpenFeature allows no lists there.
const (
	metaMirror   = "mirror"
	metaFallback = "fallback"
	metaIgnore   = "ignore" // separated by commas
)

func (r *Rollout) metadata() openfeature.FlagMetadata {
	if r.Kill {
		return openfeature.FlagMetadata{}
	}
	return openfeature.FlagMetadata{metaMirror: r.Mirror, metaFallback: r.Fallback, metaIgnore: strings.Join(r.Ignore, ",")}
}
