package sqldb

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"fmt"

	"modernc.org/sqlite"
)

// Digest is a short name for some words together: 128 bits of SHA-256 over them with a NUL between two, in base64 for URLs, 22 characters. The words have no NUL, as no
// text in a database has. SQLite has it as the function digest, for migrations; PostgreSQL can make it of its own.
func Digest(words ...string) string {
	h := sha256.New()
	for i, w := range words {
		if i > 0 {
			_, _ = h.Write([]byte{0}) // never fails
		}
		_, _ = h.Write([]byte(w))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("digest", -1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		words := make([]string, len(args))
		for i, a := range args {
			w, ok := a.(string)
			if !ok {
				return nil, fmt.Errorf("digest: %T is no text", a)
			}
			words[i] = w
		}
		return Digest(words...), nil
	})
}
