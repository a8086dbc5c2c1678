package audit

import (
	"context"

	"shop/internal/platform/sqldb"
)

// Look is how a context looks for one kind of symptom: a query whose only row has how many there are (n), since when the oldest (since, microseconds), and the id of one (sample).
type Look struct {
	Name, Query string
	Args        []any
}

// Find are the symptoms that there are. Errors: sqldb.ErrUnavailable.
func Find(ctx context.Context, db *sqldb.DB, looks ...Look) ([]Symptom, error) {
	var found []Symptom
	for _, l := range looks {
		var row struct {
			Symptom
			At int64 `db:"since"`
		}
		if err := db.Get(ctx, &row, l.Query, l.Args...); err != nil {
			return nil, err
		}
		if row.Count > 0 {
			row.Name, row.Since = l.Name, sqldb.Time(row.At)
			found = append(found, row.Symptom)
		}
	}
	return found, nil
}
