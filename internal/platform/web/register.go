package web

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// defaultTimeout is how long a handler may take. What the caller allows with Prefer: wait comes on top.
const defaultTimeout = 15 * time.Second

// Register adds an operation. I is a struct of parameters with huma's tags (path, query, header, default, minimum,
// pattern, …) and, if there is one, the request's JSON in a field Body. O is the type of the answer: a struct or Page is
// encoded as JSON with op.Status; Raw is sent as it is; struct{} is an answer without a body. An error becomes a problem.
func Register[I, O any](api huma.API, op Op, handler func(context.Context, *I) (O, error)) {
	timeout := op.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	o := operation[O](api, op)
	body := takeBody[I](&o)
	huma.Register(api, o, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humachi.Unwrap(hc)
			wait, _ := PreferWait(r.Header.Get("Prefer"))
			ctx, cancel := context.WithTimeout(ctx, timeout+wait)
			defer cancel()

			op.Deprecated.announce(w.Header())

			buf := buffers.Get().(*bytes.Buffer)
			defer releaseBuffer(ctx, buf)
			err := body.read(r, buf, in)
			if err == nil {
				var out O
				if out, err = handler(ctx, in); err == nil {
					err = reply(w, r, o.DefaultStatus, out)
				}
			}
			if err != nil {
				WriteProblem(w, r, err)
			}
		}}, nil
	})
	body.document(api)
}

// reply writes an answer. Its error means that nothing is written yet.
func reply(w http.ResponseWriter, r *http.Request, status int, out any) error {
	switch v := out.(type) {
	case Raw:
		for name, values := range v.Header {
			w.Header()[name] = values
		}
		if v.Status != 0 {
			status = v.Status
		}
		writeBody(w, status, jsonType, v.Body)
		return nil
	case struct{}:
		writeBody(w, status, nil, nil)
		return nil
	case listed:
		if next := v.nextCursor(); next != "" {
			w.Header().Add("Link", nextLink(*r.URL, next))
		}
		if encoded := v.json(); encoded != nil {
			writeBody(w, status, jsonType, encoded)
			return nil
		}
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	if err := e.enc.Encode(out); err != nil {
		return err
	}
	writeBody(w, status, jsonType, e.buf.Bytes()[:e.buf.Len()-1]) // without the encoder's newline
	return nil
}
