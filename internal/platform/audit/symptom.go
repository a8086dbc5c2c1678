package audit

import (
	"context"
	"time"
)

// Symptom is that something of a context waits longer than it should, or for a person. It breaks no invariant yet.
type Symptom struct {
	Name    string    `db:"name"`   // what it is, such as "compensation_failed"; the context says which there are
	Count   int64     `db:"n"`      // of what has it
	Since   time.Time `db:"-"`      // when the oldest began to wait
	Example string    `db:"sample"` // the id of one of them
}

// Patient is a context that can tell how it does. What has no symptom is left out. An error means that it could not look.
type Patient interface {
	Symptoms(ctx context.Context) ([]Symptom, error)
}
