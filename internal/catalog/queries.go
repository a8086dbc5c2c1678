package catalog

import (
	"context"
	"errors"
	"strings"

	"shop/internal/platform/sqldb"
)

// product reads one product. Errors: ErrNotFound, fault Unavailable.
func (m *Module) product(ctx context.Context, sku string) (product, error) {
	var p product
	err := m.db.Get(ctx, &p, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at
		FROM products WHERE sku = $1`, sku)
	if errors.Is(err, sqldb.ErrNoRows) {
		return product{}, ErrNotFound
	}
	return p, err
}

// list reads at most limit products after a SKU, in the order of SKUs. It costs one descent of the primary key.
func (m *Module) list(ctx context.Context, after string, limit int) ([]product, error) {
	var rows []product
	err := m.db.Select(ctx, &rows, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at
		FROM products WHERE sku > $1 ORDER BY sku LIMIT $2`, after, limit)
	return rows, err
}

// search is list of those whose SKU or name contains the words, whatever their case. Neither database has an index that finds a part of a word without an extension, so
// products are compared in the order of the answer until the page is full. That is short for what occurs often; what occurs seldom or never costs a comparison with every
// product: 30 to 40 ms for 100,000, see BenchmarkSearchThatFindsNothing. The index (sku, search) lets that walk leave out the rows with
// their descriptions, on PostgreSQL once the table is vacuumed.
func (m *Module) search(ctx context.Context, words, after string, limit int) ([]product, error) {
	var rows []product
	err := m.db.Select(ctx, &rows, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at
		FROM products WHERE sku IN (SELECT sku FROM products WHERE sku > $1 AND search LIKE $2 ESCAPE '\' ORDER BY sku LIMIT $3) ORDER BY sku`,
		after, containing(words), limit)
	return rows, err
}

// named is search among the products of these SKUs.
func (m *Module) named(ctx context.Context, skus []string, words, after string, limit int) ([]product, error) {
	var rows []product
	err := m.db.Select(ctx, &rows, `SELECT sku, name, description, price_amount, price_currency, active, version, change, created_at, updated_at
		FROM products WHERE sku IN {$1} AND sku > $2 AND search LIKE $3 ESCAPE '\' ORDER BY sku LIMIT $4`, skus, after, containing(words), limit)
	return rows, err
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// containing is the LIKE pattern of texts that contain the words; nothing in them is a wildcard.
func containing(words string) string {
	return "%" + likeEscapes.Replace(strings.ToLower(words)) + "%"
}

// priceRows is where the price cache reads.
type priceRows struct{ db *sqldb.DB }

func (r priceRows) ofSKUs(ctx context.Context, skus []string) ([]product, error) {
	var rows []product
	err := r.db.Select(ctx, &rows, `SELECT sku, name, price_amount, price_currency, active, version, change FROM products WHERE sku IN {$1}`, skus)
	return rows, err
}

func (r priceRows) changedAfter(ctx context.Context, change int64, limit int) ([]product, error) {
	var rows []product
	err := r.db.Select(ctx, &rows, `SELECT sku, name, price_amount, price_currency, active, version, change
		FROM products WHERE change > $1 ORDER BY change LIMIT $2`, change, limit)
	return rows, err
}

func (r priceRows) lastChange(ctx context.Context) (int64, error) {
	var last int64
	err := r.db.Get(ctx, &last, `SELECT last FROM change_counter WHERE id = 1`)
	return last, err
}
