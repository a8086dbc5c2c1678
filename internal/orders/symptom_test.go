package orders

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/audit"
	"shop/internal/platform/bus"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestOrdersThatNobodyDoesSomethingAboutAreSymptoms(t *testing.T) {
	dbtest.Each(t, "orders", func(t *testing.T, db *sqldb.DB) {
		at := clock.NewFake(noon)
		m := New(Needs{DB: db, Bus: bus.NewMemory(), Clock: at})
		found, err := m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		summaries := []summary{
			{ID: "ord_1", Status: "pending", Saga: "running", Open: true, DeadlineAt: new(sqldb.Micros(noon.Add(-time.Hour)))},
			{ID: "ord_2", Status: "pending", Saga: "running", Open: true, DeadlineAt: new(sqldb.Micros(noon.Add(-2 * time.Minute)))},
			{ID: "ord_3", Status: "pending", Saga: "running", Open: true, DeadlineAt: new(sqldb.Micros(noon.Add(-30 * time.Second)))}, // somebody is about to
			{ID: "ord_4", Status: "pending", Saga: "compensation_failed", Open: true, UpdatedAt: sqldb.Micros(noon.Add(-3 * time.Hour))},
			{ID: "ord_5", Status: "delivered", Saga: "completed"},
		}
		require.NoError(t, db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
			for _, s := range summaries {
				tx.Queue(&insertSummary, s.row()...)
			}
			return nil
		}))
		found, err = m.Symptoms(t.Context())
		require.NoError(t, err)
		require.Equal(t, []audit.Symptom{
			{Name: "compensation_failed", Count: 1, Since: noon.Add(-3 * time.Hour), Example: "ord_4"},
			{Name: "overdue", Count: 2, Since: noon.Add(-time.Hour), Example: "ord_1"},
		}, found)
	})
}
