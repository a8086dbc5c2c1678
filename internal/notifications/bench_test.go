package notifications

import (
	"context"
	"fmt"
	"testing"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
	"shop/internal/platform/sqldb/pgtest"
)

// BenchmarkMessages is what a message costs the courier: noted in the log, and sent to a mail server in this process that takes it at once.
func BenchmarkMessages(b *testing.B) {
	for database, url := range map[string]func() string{"sqlite": func() string { return "sqlite:" + b.TempDir() }, "postgres": func() string { return pgtest.NewDatabase(b) }} {
		for _, channel := range []string{"log", "smtp"} {
			b.Run(database+"/"+channel, func(b *testing.B) {
				n := Needs{DB: dbtest.Open(b, "notifications", url()), Bus: newTransport()}
				if channel == "smtp" {
					n.Mail = openInbox(b, nil).mail(Plain)
				}
				m := New(n)
				const together = 128
				for at := 0; at < b.N; at += together {
					if err := n.DB.Write(b.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
						for i := at; i < min(b.N, at+together); i++ {
							e := orderConfirmedBy(fmt.Sprintf("ord_%07d", i), fmt.Sprintf("c%d@example.org", i))
							m.intend(b.Context(), tx, e.Summary, confirmed(e))
						}
						return nil
					}); err != nil {
						b.Fatal(err)
					}
				}
				b.ResetTimer()
				for more := true; more; {
					var err error
					if more, err = m.courier.round(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
