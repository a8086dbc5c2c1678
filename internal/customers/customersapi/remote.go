package customersapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"shop/internal/platform/fault"
)

// Remote answers Queries by asking a process that hosts customers, over its REST API.
type Remote struct {
	base   string
	client *http.Client
}

var _ Queries = (*Remote)(nil)

// NewRemote asks at base, such as http://customers:8080. The client brings what the requests need beside their address: a token, deadlines, a circuit breaker.
func NewRemote(base string, client *http.Client) *Remote {
	return &Remote{base: strings.TrimSuffix(base, "/"), client: client}
}

const (
	remoteAtOnce = 8       // requests of one call under way at a time
	remoteBody   = 4 << 20 // bytes of an answer that are read at most
)

// Customers asks for each id once. Errors: fault Unavailable when nobody answers; the fault that the other side answered with.
func (r *Remote) Customers(ctx context.Context, ids []string) ([]Customer, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]*Customer, len(ids))
	places := make(chan struct{}, remoteAtOnce)
	var under sync.WaitGroup
	for i, id := range ids {
		places <- struct{}{}
		under.Go(func() {
			defer func() { <-places }()
			c, err := r.customer(ctx, id)
			if err != nil {
				cancel(err) // the first error ends the rest
			}
			found[i] = c
		})
	}
	under.Wait()
	if err := context.Cause(ctx); err != nil {
		if fault.As(err) == nil {
			err = unavailable(err)
		}
		return nil, err
	}
	all := make([]Customer, 0, len(ids))
	for _, c := range found {
		if c != nil {
			all = append(all, *c)
		}
	}
	return all, nil
}

// customer asks for one; nil when there is none to be shown.
func (r *Remote) customer(ctx context.Context, id string) (*Customer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/v1/customers/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, remoteBody))
	if err != nil {
		return nil, unavailable(err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		c := &Customer{}
		if err := json.Unmarshal(body, c); err != nil || c.ID != id {
			return nil, fault.Wrap(errors.Join(err, fmt.Errorf("answer of %d bytes", len(body))), fault.Internal, "internal", "customers answered with something else")
		}
		return c, nil
	case http.StatusNotFound, http.StatusGone:
		return nil, nil
	}
	return nil, faultOf(res.StatusCode, body)
}

func unavailable(err error) error {
	return fault.Wrap(err, fault.Unavailable, "customers_unavailable", "customers does not answer; try again")
}

// faultOf makes the fault again that the other side's problem document (RFC 9457) was made from.
func faultOf(status int, body []byte) error {
	kind := kindOf(status)
	f := fault.New(kind, kind.String(), strings.ToLower(http.StatusText(status)))
	var problem struct {
		Code   string
		Detail string
		Errors []struct{ Location, Detail string }
	}
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "" {
		f.Cause = fmt.Errorf("customers answered %d without a problem document", status)
		return f
	}
	f.Code, f.Message = problem.Code, problem.Detail
	for _, e := range problem.Errors {
		f.Fields = append(f.Fields, fault.Field{Location: e.Location, Detail: e.Detail})
	}
	return f
}

func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusBadRequest:
		return fault.Malformed
	case http.StatusUnprocessableEntity:
		return fault.Invalid
	case http.StatusUnauthorized:
		return fault.Unauthorized
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusTooManyRequests:
		return fault.TooMany
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fault.Unavailable
	}
	return fault.Internal
}
