package customers

import (
	"context"
	"errors"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/sqldb"
)

// customer reads one customer. Errors: ErrNotFound, ErrErased, fault Unavailable.
func (m *Module) customer(ctx context.Context, id string) (customer, error) {
	var r row
	err := m.db.Get(ctx, &r, `SELECT `+columns+` FROM customers WHERE id = $1`, id)
	if errors.Is(err, sqldb.ErrNoRows) {
		return customer{}, ErrNotFound
	}
	if err != nil {
		return customer{}, err
	}
	c, err := r.customer()
	if err != nil {
		return customer{}, err
	}
	return c, c.exists()
}

// Customers implements customersapi.Queries. Whoever asks sees what they would see one by one: their own, or everybody's if they work for the shop.
func (m *Module) Customers(ctx context.Context, ids []string) ([]customersapi.Customer, error) {
	var visible []string
	for _, id := range ids {
		if auth.From(ctx).ActsFor(id) {
			visible = append(visible, id)
		}
	}
	if len(visible) == 0 {
		return []customersapi.Customer{}, nil
	}
	var rows []row
	if err := m.db.Select(ctx, &rows, `SELECT `+columns+` FROM customers WHERE id IN {$1} AND status = 'active' ORDER BY id`, visible); err != nil {
		return nil, err
	}
	return views(rows)
}

// list reads at most limit customers after an id, in the order of ids; with an email, only those who have that one, in whatever case. Each costs one descent of an index.
func (m *Module) list(ctx context.Context, email, after string, limit int) ([]customersapi.Customer, error) {
	query, args := `SELECT `+columns+` FROM customers WHERE status = 'active' AND id > $1 ORDER BY id LIMIT $2`, []any{after, limit}
	if email != "" {
		query = `SELECT ` + columns + ` FROM customers WHERE status = 'active' AND email_key = $3 AND id > $1 ORDER BY id LIMIT $2`
		args = append(args, emailKey(email))
	}
	var rows []row
	if err := m.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	return views(rows)
}

func views(rows []row) ([]customersapi.Customer, error) {
	all := make([]customersapi.Customer, len(rows))
	for i, r := range rows {
		c, err := r.customer()
		if err != nil {
			return nil, err
		}
		all[i] = c.view()
	}
	return all, nil
}
