package sqldb

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// JSON is a document in a json column. Empty is NULL.
type JSON []byte

// Scan takes what either driver hands out.
func (j *JSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*j = nil
	case []byte:
		*j = append((*j)[:0:0], v...)
	case string:
		*j = JSON(v)
	default:
		return fmt.Errorf("sqldb: cannot read %T as JSON", src)
	}
	return nil
}

// MarshalJSON puts the document out as it is.
func (j JSON) MarshalJSON() ([]byte, error) {
	if len(j) == 0 {
		return []byte("null"), nil
	}
	return j, nil
}

func (j JSON) param() any {
	if len(j) == 0 {
		return nil
	}
	return string(j)
}

// Blob is the value of a binary column (bytea, BLOB). Other bytes are text.
type Blob []byte

// appendHex writes what PostgreSQL reads as binary, without the backslash before it.
func (b Blob) appendHex(lit []byte) []byte { return hex.AppendEncode(append(lit, 'x'), b) }

// Marshal encodes v as a document for a JSON column. It panics on a type that JSON cannot express, which is a defect.
func Marshal(v any) JSON {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sqldb: cannot encode %T: %v", v, err))
	}
	return b
}

// Micros is how a time is stored: microseconds since 1970, UTC. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of Micros.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func appendJSONString(b []byte, s string) []byte {
	q, _ := json.Marshal(s)
	return append(b, q...)
}
