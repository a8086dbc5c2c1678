package catalog

import (
	"context"

	"shop/internal/platform/bus"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
)

// outcome is what became of a write: the products as they are now, in the order in which they were given, and how many of them are new, were changed, or were
// like that already.
type outcome struct {
	products                    []product
	created, updated, unchanged int
}

// condition says whether a product may be changed, given what is stored: the zero product when there is none.
type condition func(stored product) bool

func always(product) bool { return true }

// put makes one product what the spec says, if the condition holds. A product that already is what it shall be satisfies any condition
// (RFC 9110, 13.1.1), so a repetition of a put that succeeded succeeds too. Errors: ErrInvalidProduct, web.ErrVersionConflict, fault Unavailable.
func (m *Module) put(ctx context.Context, s spec, allowed condition) (outcome, error) {
	if err := s.check("body"); err != nil {
		return outcome{}, err
	}
	return m.write(ctx, []spec{s}, allowed)
}

// putMany makes all products what the specs say, or none. Errors: ErrInvalidProduct, fault Unavailable.
func (m *Module) putMany(ctx context.Context, specs []spec) (outcome, error) {
	if err := checkAll(specs, "body.products"); err != nil {
		return outcome{}, err
	}
	return m.write(ctx, specs, always)
}

// writeKey is one for all writes: they would wait for each other anyway, see nextChange, and so they share commits.
const writeKey = "products"

func (m *Module) write(ctx context.Context, specs []spec, allowed condition) (outcome, error) {
	at := m.clock.Now()
	var out outcome
	err := m.db.Write(ctx, writeKey, func(ctx context.Context, tx *sqldb.Tx) error {
		change, err := nextChange(ctx, tx)
		if err != nil {
			return err
		}
		stored, err := loadProducts(ctx, tx, specs)
		if err != nil {
			return err
		}
		out = outcome{products: make([]product, 0, len(specs))}
		var changed []product
		for _, s := range specs {
			before := stored[s.SKU]
			after, differs := before.become(s, change, at)
			out.products = append(out.products, after)
			switch {
			case !differs:
				out.unchanged++
				continue
			case !allowed(before):
				return web.ErrVersionConflict
			case before.Version == 0:
				out.created++
			default:
				out.updated++
			}
			changed = append(changed, after)
		}
		tx.AfterCommit(func() { m.prices.learn(out.products) }) // the unchanged too: an earlier attempt may have committed them
		return m.save(ctx, tx, change, changed)
	})
	if err != nil {
		return outcome{}, err
	}
	return out, nil
}

func (m *Module) save(ctx context.Context, tx *sqldb.Tx, change int64, changed []product) error {
	if len(changed) == 0 {
		return nil
	}
	if err := storeProducts(ctx, tx, change, changed); err != nil {
		return err
	}
	events := make([]bus.Body, len(changed))
	for i, p := range changed {
		events[i] = p.event()
	}
	return m.endpoint.Publish(ctx, tx, events...)
}
