package customers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"shop/internal/platform/sqldb"
)

const columns = `id, status, name, email, email_key, phone, addresses, version, created_at, updated_at`

// row is how a customer is stored. Times are microseconds.
type row struct {
	ID        string     `db:"id"`
	Status    status     `db:"status"`
	Name      string     `db:"name"`
	Email     string     `db:"email"`
	EmailKey  string     `db:"email_key"`
	Phone     string     `db:"phone"`
	Addresses sqldb.JSON `db:"addresses"`
	Version   int64      `db:"version"`
	CreatedAt int64      `db:"created_at"`
	UpdatedAt int64      `db:"updated_at"`
}

func (r row) customer() (customer, error) {
	c := customer{
		id: r.ID, status: r.Status, profile: profile{r.Name, r.Email, r.Phone}, version: r.Version,
		createdAt: sqldb.Time(r.CreatedAt), updatedAt: sqldb.Time(r.UpdatedAt),
	}
	if err := json.Unmarshal(r.Addresses, &c.addresses); err != nil {
		return c, fmt.Errorf("addresses of %s: %w", r.ID, err)
	}
	return c, nil
}

// load reads a customer in a transaction; what there is not has no version. Errors: sqldb.ErrUnavailable.
func load(ctx context.Context, tx *sqldb.Tx, id string) (customer, error) {
	var r row
	err := tx.Get(ctx, &r, `SELECT `+columns+` FROM customers WHERE id = $1`, id)
	if errors.Is(err, sqldb.ErrNoRows) {
		return customer{}, nil
	}
	if err != nil {
		return customer{}, err
	}
	return r.customer()
}

var insertCustomers = sqldb.Many{
	SQL: `INSERT INTO customers (id, status, name, email, email_key, phone, addresses, version, created_at, updated_at)
		SELECT r.id, r.status, r.name, r.email, r.email_key, r.phone, r.addresses, r.version, r.created_at, r.updated_at FROM {rows}`,
	Columns: "id text, status text, name text, email text, email_key text, phone text, addresses json, version bigint, created_at bigint, updated_at bigint",
}

// insert writes a customer at the end of the transaction. A second one with its id fails it, and is found when the job runs again.
func insert(tx *sqldb.Tx, c customer) {
	tx.Queue(&insertCustomers, c.id, string(c.status), c.profile.name, c.profile.email, emailKey(c.profile.email), c.profile.phone,
		sqldb.Marshal(c.view().Addresses), c.version, sqldb.Micros(c.createdAt), sqldb.Micros(c.updatedAt))
}

var updateCustomers = sqldb.Many{
	SQL: `UPDATE customers SET status = r.status, name = r.name, email = r.email, email_key = r.email_key, phone = r.phone, addresses = r.addresses,
			version = r.version, updated_at = r.updated_at
		FROM {rows} WHERE customers.id = r.id AND customers.version = r.version - 1`,
	Columns: "id text, status text, name text, email text, email_key text, phone text, addresses json, version bigint, updated_at bigint",
	Exact:   true,
}

// update writes the next version of a customer at the end of the transaction; when another process was faster, the job runs again.
func update(tx *sqldb.Tx, c customer) {
	tx.Queue(&updateCustomers, c.id, string(c.status), c.profile.name, c.profile.email, emailKey(c.profile.email), c.profile.phone,
		sqldb.Marshal(c.view().Addresses), c.version, sqldb.Micros(c.updatedAt))
}
