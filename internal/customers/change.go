package customers

import (
	"context"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
)

// change carries a customer to what decide makes of it, and tells everybody. What stays as it is is no change. ifMatch is the caller's If-Match header, or empty.
// Errors: ErrNotFound, ErrErased, web.ErrVersionConflict, those of decide, fault Unavailable.
func (m *Module) change(ctx context.Context, id, ifMatch string, decide func(customer) (customer, error)) (customer, error) {
	version, conditional, err := web.IfMatch(ifMatch)
	if err != nil {
		return customer{}, err
	}
	now := m.clock.Now()
	var after, written customer
	err = m.db.Write(ctx, id, func(ctx context.Context, tx *sqldb.Tx) error {
		before, err := load(ctx, tx, id)
		if err != nil || written.version > 0 && before.same(written) { // by an earlier attempt, whose commit nobody answered
			return err
		}
		if err := before.exists(); err != nil {
			return err
		}
		if conditional && before.version != version {
			return web.ErrVersionConflict
		}
		if after, err = decide(before); err != nil {
			return err
		}
		if after.same(before) {
			return nil
		}
		after = after.touched(now)
		written = after
		update(tx, after)
		return m.endpoint.Publish(ctx, tx, after.event())
	})
	return after, err
}

// patch is a change of the profile: what is nil stays.
type patch struct{ name, email, phone *string }

func (p patch) applyTo(old profile) profile {
	for _, f := range []struct {
		to   *string
		from *string
	}{{&old.name, p.name}, {&old.email, p.email}, {&old.phone, p.phone}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return old
}

// patch changes the profile. Errors: those of change.
func (m *Module) patch(ctx context.Context, id, ifMatch string, p patch) (customer, error) {
	return m.change(ctx, id, ifMatch, func(c customer) (customer, error) { return c.withProfile(p.applyTo(c.profile)), nil })
}

// addAddress gives the customer one address more. Errors: ErrTooManyAddresses, those of change.
func (m *Module) addAddress(ctx context.Context, id, ifMatch string, a customersapi.Address) (customer, error) {
	return m.change(ctx, id, ifMatch, func(c customer) (customer, error) { return c.withAddress(a) })
}

// putAddress replaces an address. Errors: ErrAddressNotFound, those of change.
func (m *Module) putAddress(ctx context.Context, id, ifMatch string, a customersapi.Address) (customer, error) {
	return m.change(ctx, id, ifMatch, func(c customer) (customer, error) { return c.withAddressChanged(a) })
}

// deleteAddress takes an address away. Errors: ErrAddressNotFound, those of change.
func (m *Module) deleteAddress(ctx context.Context, id, ifMatch, addressID string) error {
	_, err := m.change(ctx, id, ifMatch, func(c customer) (customer, error) { return c.withoutAddress(addressID) })
	return err
}

// erase forgets the customer for good. Errors: those of change, ErrErased the second time.
func (m *Module) erase(ctx context.Context, id, ifMatch string) error {
	_, err := m.change(ctx, id, ifMatch, func(c customer) (customer, error) { return c.forgotten(), nil })
	return err
}
