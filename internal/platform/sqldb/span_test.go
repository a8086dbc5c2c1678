package sqldb_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/telemetry/telemetrytest"
)

func TestATransactionAndItsRoundTripsAreSpansOfTheTraceThatAskedForThem(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		spans := telemetrytest.Record(t)
		ctx, root := telemetry.StartRequest(t.Context(), "")
		require.NoError(t, db.Write(ctx, "", func(ctx context.Context, tx *sqldb.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO kept (key, n) VALUES ('x', 1)`); err != nil {
				return err
			}
			tx.Queue(&keep, "y", 1)
			tx.Queue(&keep, "z", 1)
			return nil
		}))
		var n int
		require.NoError(t, db.Get(ctx, &n, `SELECT count(*) FROM kept`))
		root.End()
		written := spans.One("transaction " + db.Context())
		require.Equal(t, root.SpanContext().SpanID(), written.Parent().SpanID())
		for name, parent := range map[string]trace.SpanContext{"INSERT kept": written.SpanContext(), "COMMIT": written.SpanContext(), "SELECT kept": root.SpanContext()} {
			span := spans.One(name)
			require.Equal(t, parent.SpanID(), span.Parent().SpanID(), name)
			require.Equal(t, trace.SpanKindClient, span.SpanKind())
			require.Equal(t, map[sqldb.Dialect]string{sqldb.SQLite: "sqlite", sqldb.Postgres: "postgresql"}[db.Dialect()], telemetrytest.Attributes(span)[telemetry.DBSystem])
		}
		commit := telemetrytest.Attributes(spans.One("COMMIT"))
		require.Equal(t, "INSERT kept; COMMIT", commit[telemetry.DBSummary])
		require.Equal(t, "3", commit[telemetry.DBBatchSize], "two rows and the end")
	})
}

func TestATransactionOfOneRoundTripIsOneSpan(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		spans := telemetrytest.Record(t)
		ctx, _ := telemetry.StartRequest(t.Context(), "")
		require.NoError(t, db.Write(ctx, "", queueing("a")))
		require.Equal(t, []string{"transaction " + db.Context()}, spans.Names())
		about := telemetrytest.Attributes(spans.One("transaction " + db.Context()))
		require.Equal(t, "INSERT kept; COMMIT", about[telemetry.DBSummary])
		require.Equal(t, "2", about[telemetry.DBBatchSize])
	})
}

func TestASpanSaysWhyItsTransactionFailed(t *testing.T) {
	eachKept(t, func(t *testing.T, db *sqldb.DB) {
		spans := telemetrytest.Record(t)
		ctx, _ := telemetry.StartRequest(t.Context(), "")
		insert := func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO kept (key, n) VALUES ('x', 1)`)
			return err
		}
		require.NoError(t, db.Write(t.Context(), "", insert))
		require.ErrorIs(t, db.Write(ctx, "", insert), sqldb.ErrDuplicate)
		failed := spans.One("transaction " + db.Context())
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "duplicate"}, failed.Status())
		require.Equal(t, "2", telemetrytest.Attributes(failed)[telemetry.Attempts], "it looked again whether somebody was faster")
		for _, statement := range spans.Named("INSERT kept") {
			require.Equal(t, "duplicate", telemetrytest.Attributes(statement)[telemetry.ErrorType])
			if db.Dialect() == sqldb.Postgres {
				require.Equal(t, "23505", telemetrytest.Attributes(statement)[telemetry.DBStatusCode])
			}
			for _, a := range telemetrytest.Attributes(statement) {
				require.NotContains(t, a, "'x'", "no value of a statement is told")
			}
		}
	})
}
