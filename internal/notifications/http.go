package notifications

import (
	"context"
	"net/http"

	"shop/internal/notifications/notificationsapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/telemetry"
	"shop/internal/platform/web"
)

type listInput struct {
	web.PageParams
	OrderID string `query:"order_id" maxLength:"64" doc:"Only those about this order"`
	Status  string `query:"status" enum:"pending,sending,sent,failed,unknown,skipped" doc:"Only these"`
}

type idInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" maxLength:"200" example:"ord_01jd3q6k9v8xw2n4t7ryz5abcd.order_confirmed"`
}

// Routes puts the operations on the edge.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Notifications"}
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/notifications", ID: "list-notifications", Summary: "List messages to customers, by order", Tags: tags,
		Roles: []auth.Role{auth.Operator, auth.Service},
	}, m.handleList)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/notifications/{id}", ID: "get-notification", Summary: "Read what became of a message", Tags: tags,
		Roles: []auth.Role{auth.Operator, auth.Service},
	}, m.handleGet)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/notifications/{id}/resend", ID: "resend-notification", Summary: "Send a message again", Tags: tags,
		Doc: "Only one that is `failed` or `unknown`; an unknown one may then arrive twice, with the same Message-ID. The answer is the notification, which is `pending`. A repetition changes " +
			"nothing, so it needs no Idempotency-Key.",
		Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
	}, m.handleResend)
}

func (m *Module) handleList(ctx context.Context, in *listInput) (web.Page[notificationsapi.Notification], error) {
	f := filter{orderID: in.OrderID, state: state(in.Status), limit: in.Limit + 1}
	if at, err := web.ParseCursor(in.After, 1); err != nil {
		return web.Page[notificationsapi.Notification]{}, err
	} else if at != nil {
		f.after = at[0]
	}
	rows, err := m.list(ctx, f)
	if err != nil {
		return web.Page[notificationsapi.Notification]{}, err
	}
	views := make([]notificationsapi.Notification, len(rows))
	for i, r := range rows {
		views[i] = r.view()
	}
	return web.NewPage(views, in.Limit, func(last notificationsapi.Notification) string { return web.Cursor(last.ID) }), nil
}

func (m *Module) handleGet(ctx context.Context, in *idInput) (notificationsapi.Notification, error) {
	r, err := m.notification(ctx, in.ID)
	telemetry.NoteKey(ctx, r.orderID())
	return r.view(), err
}

func (m *Module) handleResend(ctx context.Context, in *idInput) (notificationsapi.Notification, error) {
	if err := m.resend(ctx, in.ID); err != nil {
		return notificationsapi.Notification{}, err
	}
	return m.handleGet(ctx, in)
}
