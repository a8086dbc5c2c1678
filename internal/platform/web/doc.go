// Package web is what every context's http.go stands on: the router with its middleware, the operations and their
// OpenAPI document, problems, strict JSON, lists, health and metrics. It knows no context.
//
// An operation is a struct of its input, a type of its answer and a function:
//
//	type placeInput struct {
//		Prefer string `header:"Prefer" doc:"wait=N: answer with the outcome" example:"wait=5"`
//		Body   placeBody
//	}
//
//	type placeBody struct {
//		Items []itemBody `json:"items" minItems:"1" maxItems:"100"`
//		Email string     `json:"email,omitempty" format:"email" maxLength:"254"` // omitempty: may be left out
//	}
//
//	web.Register(api, web.Op{
//		Method: http.MethodPost, Path: "/v1/orders", ID: "place-order", Summary: "Place an order", Tags: []string{"Orders"},
//		Status: http.StatusCreated, Returns: orderBody{}, Errors: []int{http.StatusConflict},
//		Headers: map[string]string{"Location": "Where the order is"},
//	}, func(ctx context.Context, in *placeInput) (web.Raw, error) {
//		order, err := o.place(ctx, in.Body)
//		if err != nil {
//			return web.Raw{}, err // a fault; anything else is a 500 that hides it
//		}
//		raw, err := web.JSON(http.StatusCreated, orderBodyOf(order))
//		return raw.With("Location", "/v1/orders/"+order.ID).With("ETag", web.ETag(order.Version)), err
//	})
//
// An answer without headers of its own needs no Raw: return the struct itself, and Register encodes it with Op.Status:
//
//	func(ctx context.Context, in *getInput) (orderBody, error)
//
// Or a Page, which sends its Link header by itself:
//
//	type listInput struct {
//		web.PageParams
//		Status string `query:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
//	}
//
//	func(ctx context.Context, in *listInput) (web.Page[orderBody], error) {
//		at, err := web.ParseCursor(in.After, 2) // nil on the first page
//		…
//		return web.NewPage(rows, in.Limit, func(o orderBody) string { return web.Cursor(o.PlacedAt, o.ID) }), nil // rows: limit+1
//	}
//
// Without Public the operation needs a token, and with Roles one of these: others get 401 and 403 before anything is read. What a caller may see of what there is,
// the handler decides, by auth.From(ctx).
//
// The input is refused before the handler sees it: 400 for what is no strict JSON, 422 for what breaks the tags, 404 for a
// path parameter that cannot name anything (but 422 on PUT). Give path parameters a pattern, amounts money.Money,
// times time.Time (answer with Time, which is UTC). A pointer as Body makes the body optional. The handler's context ends
// after Op.Timeout. RequestBody gives the bytes that were sent; see platform/telemetry for the
// trace, and for how a handler says which order it is about.
//
// Schemas are named after the type: orders.item is OrderItem, orders.order is Order, so wire structs may have short names.
package web
