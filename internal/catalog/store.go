package catalog

import (
	"context"

	"shop/internal/platform/sqldb"
)

// nextChange is the number of the change that this transaction may make. The counter's row is held until the commit, so all writers of products stand in
// one line, in every replica, and changes become visible in the order of their numbers. It only reads: a job that is refused afterwards takes
// no neighbour with it.
func nextChange(ctx context.Context, tx *sqldb.Tx) (int64, error) {
	var last int64
	err := tx.Get(ctx, &last, `SELECT last FROM change_counter WHERE id = 1 {for update}`)
	return last + 1, err
}

// loadProducts reads the products that the specs are about, by SKU.
func loadProducts(ctx context.Context, tx *sqldb.Tx, specs []spec) (map[string]product, error) {
	skus := make([]string, len(specs))
	for i, s := range specs {
		skus[i] = s.SKU
	}
	var rows []product
	if err := tx.Select(ctx, &rows, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at
		FROM products WHERE sku IN {$1}`, skus); err != nil {
		return nil, err
	}
	stored := make(map[string]product, len(rows))
	for _, p := range rows {
		stored[p.SKU] = p
	}
	return stored, nil
}

var upsertProducts = sqldb.Many{
	SQL: `INSERT INTO products (sku, name, description, price_amount, price_currency, active, search, version, change, created_at, updated_at)
		SELECT r.sku, r.name, r.description, r.price_amount, r.price_currency, r.active, r.search, r.version, r.change, r.created_at, r.updated_at
		FROM {rows} WHERE true
		ON CONFLICT (sku) DO UPDATE SET name = excluded.name, description = excluded.description, price_amount = excluded.price_amount,
			price_currency = excluded.price_currency, active = excluded.active, search = excluded.search, version = excluded.version,
			change = excluded.change, updated_at = excluded.updated_at`,
	Columns: "sku text, name text, description text, price_amount bigint, price_currency text, active bool, search text, " +
		"version bigint, change bigint, created_at bigint, updated_at bigint",
	Exact: true,
}

// storeProducts writes products that have changed, with one statement, and the counter with another.
func storeProducts(ctx context.Context, tx *sqldb.Tx, change int64, changed []product) error {
	if _, err := tx.Exec(ctx, `UPDATE change_counter SET last = $1 WHERE id = 1`, change); err != nil {
		return err
	}
	rows := make([][]any, len(changed))
	for i, p := range changed {
		rows[i] = []any{p.SKU, p.Name, p.Description, p.Amount, p.Currency, p.Active, p.searchText(), p.Version, p.Change, p.CreatedAt, p.UpdatedAt}
	}
	_, err := tx.ExecMany(ctx, &upsertProducts, rows)
	return err
}
