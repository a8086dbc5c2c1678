package inventory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/audit"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestTheAuditFindsWhatIsBroken(t *testing.T) {
	dbtest.Each(t, "inventory", func(t *testing.T, db *sqldb.DB) {
		h := newHouse(t, db)
		for i := range auditSKUs + 2 { // so that the ledger takes two pages
			h.receive(fmt.Sprintf("SKU-%04d", i), 10)
		}
		h.tell(reserve("ord_1", line("SKU-0001", 4), line("SKU-0002", 2)), reserve("ord_2", line("SKU-0001", 3)), commitOf("ord_2"),
			reserve("ord_3", line("SKU-0003", 1)), commitOf("ord_3"), shipOf("ord_3"), reserve("ord_4", line("SKU-0003", 1)), releaseOf("ord_4"))
		h.requireSound()

		for name, plant := range map[string]struct {
			statement string
			want      []audit.Finding
		}{
			"a movement that changed no stock": {
				fmt.Sprintf(`UPDATE movements SET quantity = 11 WHERE sku = 'SKU-%04d'`, auditSKUs+1),
				[]audit.Finding{{Invariant: "I1", Subject: fmt.Sprintf("SKU-%04d", auditSKUs+1), Detail: "on_hand is 10, the movements sum to 11"}},
			},
			"stock without a movement": {
				`INSERT INTO stock (sku, on_hand, reserved, updated_at) VALUES ('NEW', 1, 0, 0)`,
				[]audit.Finding{{Invariant: "I1", Subject: "NEW", Detail: "on_hand is 1, the movements sum to 0"}},
			},
			"a movement without stock": {
				`UPDATE movements SET sku = 'ZZZ' WHERE sku = 'SKU-0003' AND reason = 'shipped'`,
				[]audit.Finding{
					{Invariant: "I1", Subject: "SKU-0003", Detail: "on_hand is 9, the movements sum to 10"},
					{Invariant: "I1", Subject: "ZZZ", Detail: "there are movements, but no stock"},
				},
			},
			"stock reserved for nobody": {
				`UPDATE stock SET reserved = reserved + 1 WHERE sku = 'SKU-0001'`,
				[]audit.Finding{{Invariant: "I1", Subject: "SKU-0001", Detail: "reserved is 8, the reservations held and committed sum to 7"}},
			},
			"a reservation without stock": {
				`UPDATE reservations SET status = 'released' WHERE reference = 'ord_2'`,
				[]audit.Finding{{Invariant: "I1", Subject: "SKU-0001", Detail: "reserved is 7, the reservations held and committed sum to 4"}},
			},
			"a reservation of what there never was": {
				`INSERT INTO reservations (reference, status, lines, version, expires_at, asked_at, created_at, updated_at)
					VALUES ('ord_5', 'committed', '[{"sku":"GHOST","quantity":2}]', 1, 0, 0, 0, 0)`,
				[]audit.Finding{{Invariant: "I1", Subject: "GHOST", Detail: "reserved is 0, the reservations held and committed sum to 2"}},
			},
			"a reservation that nobody ended": {
				`UPDATE reservations SET expires_at = ` + fmt.Sprint(sqldb.Micros(noon.Add(-overdue-time.Microsecond))) + ` WHERE reference = 'ord_1'`,
				[]audit.Finding{{Invariant: "I2", Subject: "ord_1", Detail: "held past its expiry at 2026-11-22T11:59:29Z"}},
			},
		} {
			t.Run(name, func(t *testing.T) {
				undo := h.plant(plant.statement)
				findings, err := h.m.Audit(t.Context())
				undo()
				require.NoError(t, err)
				for i := range plant.want {
					plant.want[i].Context = "inventory"
				}
				require.ElementsMatch(t, plant.want, findings)
				h.requireSound()
			})
		}
	})
}

// plant breaks the data and returns what mends it.
func (h *house) plant(statement string) (undo func()) {
	h.t.Helper()
	tables := []string{"stock", "movements", "reservations"}
	exec := func(statements ...string) {
		h.t.Helper()
		require.NoError(h.t, h.db.Write(context.Background(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for _, s := range statements {
				if _, err := tx.Exec(ctx, s); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, table := range tables {
		exec(`CREATE TABLE saved_` + table + ` AS SELECT * FROM ` + table)
	}
	exec(statement)
	return func() {
		for _, table := range tables {
			exec(`DELETE FROM `+table, `INSERT INTO `+table+` SELECT * FROM saved_`+table, `DROP TABLE saved_`+table)
		}
	}
}

func TestTheDatabaseRefusesStockThatCannotBe(t *testing.T) {
	inEach(t, func(t *testing.T, h *house) {
		h.receive("MUG", 10)
		for _, statement := range []string{
			`UPDATE stock SET reserved = 11`, `UPDATE stock SET reserved = -1`, `UPDATE stock SET on_hand = -1, reserved = -1`,
			`UPDATE movements SET quantity = 0`, `UPDATE movements SET reason = 'found'`,
			`INSERT INTO reservations (reference, status, lines, version, expires_at, asked_at, created_at, updated_at) VALUES ('ord_1', 'lost', '[]', 1, 0, 0, 0, 0)`,
		} {
			err := h.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, statement)
				return err
			})
			require.ErrorIs(t, err, sqldb.ErrCheck, statement)
		}
	})
}
