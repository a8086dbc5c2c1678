package customers

import (
	"context"
	"net/http"
	"net/url"

	"shop/internal/platform/auth"
	"shop/internal/platform/fault"
	"shop/internal/platform/id"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
)

var (
	// ErrNobody: a profile belongs to somebody, and nobody is asking.
	ErrNobody = fault.New(fault.Unauthorized, "unauthorized", "this operation needs a token")
	// ErrNotYourID: a customer's id is their token's subject.
	ErrNotYourID = fault.New(fault.Invalid, "invalid_input", "the body breaks a rule").
			With(fault.Field{Location: "body.id", Detail: "expected nothing, or the subject of your token"})
	// ErrSubject: the token's subject cannot be a customer's id.
	ErrSubject = fault.New(fault.Invalid, "invalid_subject", "the subject of this token cannot be a customer's id: expected at most 255 letters, digits and . _ : | @ + ~ = -, beginning with a letter or digit")
)

// idFor decides which id a new profile gets: a customer's own, or the one that an operator or a service names, or a new one.
// Errors: ErrNobody, ErrNotYourID, ErrSubject.
func idFor(p auth.Principal, named string) (string, error) {
	switch {
	case !p.Known():
		return "", ErrNobody
	case p.Role != auth.Customer && named == "":
		return id.New("cus"), nil
	case p.Role != auth.Customer:
		return named, nil
	case named != "" && named != p.Subject:
		return "", ErrNotYourID
	case !idPattern.MatchString(p.Subject) || len(p.Subject) > idLength:
		return "", ErrSubject
	}
	return p.Subject, nil
}

// register makes the profile, once for an Idempotency-Key if there is one. replayed reports that it was made by an earlier request with that key.
// Errors: ErrExists, ErrErased, those of web.Idempotency.Do, fault Unavailable.
func (m *Module) register(ctx context.Context, keyed web.Keyed, c customer) (_ customer, replayed bool, err error) {
	if keyed.Key == "" {
		return c, false, m.db.Write(ctx, c.id, m.registering(c))
	}
	ran := false
	raw, err := m.idempotency.Do(ctx, keyed, c.id, func(ctx context.Context, tx *sqldb.Tx) (web.Raw, error) {
		ran = true
		return web.Raw{Status: http.StatusCreated}.With("Location", location(c.id)), m.registering(c)(ctx, tx)
	})
	if err != nil || ran && raw.Header.Get("Idempotency-Replayed") == "" {
		return c, false, err
	}
	made, err := idAt(raw.Header.Get("Location"))
	if err != nil {
		return c, false, err
	}
	c, err = m.customer(ctx, made)
	return c, true, err
}

// registering is the job that writes a new customer and tells everybody.
func (m *Module) registering(c customer) func(ctx context.Context, tx *sqldb.Tx) error {
	return func(ctx context.Context, tx *sqldb.Tx) error {
		stored, err := load(ctx, tx, c.id)
		switch {
		case err != nil:
			return err
		case stored.same(c): // by an earlier attempt, whose commit nobody answered
			return nil
		case stored.status == erased:
			return ErrErased
		case stored.version > 0:
			return ErrExists
		}
		insert(tx, c)
		return m.endpoint.Publish(ctx, tx, c.event())
	}
}

const path = "/v1/customers/"

func location(id string) string { return path + url.PathEscape(id) }

// idAt is the id that location was given.
func idAt(location string) (string, error) {
	return url.PathUnescape(location[min(len(path), len(location)):])
}
