package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"shop/internal/inventory/inventoryapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/web"
)

type skuInput struct {
	SKU string `path:"sku" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"The seller's own name for the product" example:"MUG-BLUE"`
}

type movementInput struct {
	SKU  string `path:"sku" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"The seller's own name for the product" example:"MUG-BLUE"`
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Names this request: sent again with the same key it gets the same answer and moves nothing"`
	Body movementBody
}

type movementBody struct {
	Quantity  int64  `json:"quantity" minimum:"-1000000000" maximum:"1000000000" doc:"Units: above 0 when goods come in (received, returned), below 0 when they go out (damaged), either when they are counted again (adjusted)" example:"100"`
	Reason    string `json:"reason" enum:"received,adjusted,returned,damaged" doc:"Why there is more or less of it now"`
	Reference string `json:"reference,omitempty" maxLength:"255" doc:"Whatever leads to more about it: a delivery note, a return" example:"DN-2041"`
}

type batchInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Names this request: sent again with the same key it gets the same answer and moves nothing"`
	Body batchBody
}

type batchBody struct {
	Movements []batchMovement `json:"movements" minItems:"1" maxItems:"1000" doc:"All are made, or none"`
}

type batchMovement struct {
	SKU       string `json:"sku" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"The seller's own name for the product" example:"MUG-BLUE"`
	Quantity  int64  `json:"quantity" minimum:"-1000000000" maximum:"1000000000" doc:"Units, with the sign that fits the reason" example:"100"`
	Reason    string `json:"reason" enum:"received,adjusted,returned,damaged" doc:"Why there is more or less of it now"`
	Reference string `json:"reference,omitempty" maxLength:"255" doc:"Whatever leads to more about it" example:"DN-2041"`
}

// movementAnswer is an entry of the ledger.
type movementAnswer struct {
	ID         string    `json:"id" example:"mov_01jd3q6k9v8xw2n4t7ryz5abcd"`
	SKU        string    `json:"sku"`
	Quantity   int64     `json:"quantity" doc:"Units that came in, or, below 0, went out"`
	Reason     string    `json:"reason" enum:"received,adjusted,returned,damaged,shipped"`
	Reference  string    `json:"reference,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
}

// movedAnswer is an entry of the ledger and the stock after it.
type movedAnswer struct {
	ID         string    `json:"id" example:"mov_01jd3q6k9v8xw2n4t7ryz5abcd"`
	SKU        string    `json:"sku"`
	Quantity   int64     `json:"quantity" doc:"Units that came in, or, below 0, went out"`
	Reason     string    `json:"reason" enum:"received,adjusted,returned,damaged"`
	Reference  string    `json:"reference,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
	OnHand     int64     `json:"on_hand" doc:"Units in the house"`
	Reserved   int64     `json:"reserved" doc:"Units of these that are promised"`
	Available  int64     `json:"available" doc:"Units that can be promised"`
}

type batchAnswer struct {
	Applied int                  `json:"applied" doc:"How many movements were made"`
	Stock   []inventoryapi.Level `json:"stock" doc:"The stock of each SKU after them"`
}

type checkInput struct {
	Body checkBody
}

type checkBody struct {
	Items []checkItem `json:"items" minItems:"1" maxItems:"1000" doc:"Quantities of one SKU are summed"`
}

type checkItem struct {
	SKU      string `json:"sku" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" example:"MUG-BLUE"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000" example:"2"`
}

type checkAnswer struct {
	Available bool          `json:"available" doc:"Whether there is enough of everything at this moment; nothing is held"`
	Items     []checkedItem `json:"items"`
}

type checkedItem struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// Routes registers the operations of the context.
func (m *Module) Routes(e *web.Edge) {
	tags := []string{"Inventory"}
	web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v1/inventory/{sku}", ID: "get-stock", Summary: "Stock of a SKU", Tags: tags, Doc: whoSees, Public: true}, m.getStock)
	web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v1/inventory", ID: "list-stock", Summary: "Stock of all SKUs, by SKU", Tags: tags, Doc: whoSees, Public: true}, m.listStock)
	web.Register(e.API, web.Op{
		Method: http.MethodGet, Path: "/v1/inventory/{sku}/movements", ID: "list-movements", Summary: "Why the stock of a SKU is what it is, newest first", Tags: tags,
		Roles: []auth.Role{auth.Operator, auth.Service},
	}, m.listMovements)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/inventory/{sku}/movements", ID: "move-stock", Summary: "Book units in or out", Tags: tags,
		Doc:    "Receiving goods makes a SKU known. Units that are reserved stay: what would leave fewer is refused with `insufficient_stock`.",
		Status: http.StatusCreated, Returns: movedAnswer{}, Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
	}, m.postMovement)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/inventory/batch", ID: "move-stock-batch", Summary: "Book units of many SKUs, all or nothing", Tags: tags,
		Returns: batchAnswer{}, Errors: []int{http.StatusConflict}, Roles: []auth.Role{auth.Operator},
	}, m.postBatch)
	web.Register(e.API, web.Op{
		Method: http.MethodPost, Path: "/v1/inventory/check", ID: "check-stock", Summary: "Whether there is enough of everything", Tags: tags, Public: true,
	}, m.postCheck)
}

const whoSees = "What is on hand and reserved is for operators and services; everybody sees what is available."

// stockAnswer is the stock of a SKU, as far as the caller may know it.
type stockAnswer struct {
	SKU       string `json:"sku"`
	OnHand    *int64 `json:"on_hand,omitempty" doc:"Units in the house; for operators and services"`
	Reserved  *int64 `json:"reserved,omitempty" doc:"Units of these that are promised; for operators and services"`
	Available int64  `json:"available" doc:"Units that can be promised"`
}

func stockFor(p auth.Principal, l inventoryapi.Level) stockAnswer {
	a := stockAnswer{SKU: l.SKU, Available: l.Available}
	if p.Has(auth.Operator, auth.Service) {
		a.OnHand, a.Reserved = &l.OnHand, &l.Reserved
	}
	return a
}

func (m *Module) getStock(ctx context.Context, in *skuInput) (stockAnswer, error) {
	l, err := m.level(ctx, in.SKU)
	return stockFor(auth.From(ctx), l), err
}

type listInput struct {
	web.PageParams
	SKU []string `query:"sku,explode" maxItems:"100" doc:"Only these; repeat it for several. One that is not known is left out" example:"[\"MUG-BLUE\"]"`
}

func (m *Module) listStock(ctx context.Context, in *listInput) (web.Page[stockAnswer], error) {
	after, err := web.ParseCursor(in.After, 1)
	if err != nil {
		return web.Page[stockAnswer]{}, err
	}
	var levels []inventoryapi.Level
	if len(in.SKU) > 0 {
		levels, err = m.namedAfter(ctx, in.SKU, firstPart(after), in.Limit+1)
	} else {
		levels, err = m.levelsAfter(ctx, firstPart(after), in.Limit+1)
	}
	if err != nil {
		return web.Page[stockAnswer]{}, err
	}
	answers, asks := make([]stockAnswer, len(levels)), auth.From(ctx)
	for i, l := range levels {
		answers[i] = stockFor(asks, l)
	}
	return web.NewPage(answers, in.Limit, func(a stockAnswer) string { return web.Cursor(a.SKU) }), nil
}

// firstPart of a cursor; empty on the first page.
func firstPart(cursor []string) string {
	if cursor == nil {
		return ""
	}
	return cursor[0]
}

type movementsInput struct {
	SKU string `path:"sku" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"The seller's own name for the product" example:"MUG-BLUE"`
	web.PageParams
}

func (m *Module) listMovements(ctx context.Context, in *movementsInput) (web.Page[movementAnswer], error) {
	after, err := web.ParseCursor(in.After, 1)
	if err != nil {
		return web.Page[movementAnswer]{}, err
	}
	rows, err := m.movementsBefore(ctx, in.SKU, firstPart(after), in.Limit+1)
	if err != nil {
		return web.Page[movementAnswer]{}, err
	}
	if len(rows) == 0 && after == nil { // no movement at all: is the SKU known?
		if _, err := m.level(ctx, in.SKU); err != nil {
			return web.Page[movementAnswer]{}, err
		}
	}
	answers := make([]movementAnswer, len(rows))
	for i, mv := range rows {
		answers[i] = answerOf(mv)
	}
	return web.NewPage(answers, in.Limit, func(a movementAnswer) string { return web.Cursor(a.ID) }), nil
}

func answerOf(mv movement) movementAnswer {
	return movementAnswer{mv.ID, mv.SKU, mv.Quantity, string(mv.Reason), mv.Reference, web.Time(mv.RecordedAt)}
}

func (m *Module) postMovement(ctx context.Context, in *movementInput) (web.Raw, error) {
	at := func(_ int, part string) string { return "body." + part }
	now := m.clock.Now()
	moves := []movement{newMovement(in.SKU, in.Body.Quantity, reason(in.Body.Reason), in.Body.Reference, now)}
	if err := checkSigns(moves, at); err != nil {
		return web.Raw{}, err
	}
	keyed := web.Keyed{Principal: auth.From(ctx).String(), Route: "POST /v1/inventory/" + in.SKU + "/movements", Key: in.Key, Request: in.Body}
	return m.answers.Do(ctx, keyed, in.SKU, func(ctx context.Context, tx *sqldb.Tx) (web.Raw, error) {
		levels, err := move(ctx, tx, moves, now, at)
		if errors.Is(err, ErrUnknownSKU) {
			return web.Raw{}, ErrNotFound
		}
		if err != nil {
			return web.Raw{}, err
		}
		mv, l := moves[0], levels[0]
		return web.JSON(http.StatusCreated, movedAnswer{
			mv.ID, mv.SKU, mv.Quantity, string(mv.Reason), mv.Reference, web.Time(mv.RecordedAt), l.OnHand, l.Reserved, l.Available,
		})
	})
}

func (m *Module) postBatch(ctx context.Context, in *batchInput) (web.Raw, error) {
	at := func(i int, part string) string { return fmt.Sprintf("body.movements[%d].%s", i, part) }
	now := m.clock.Now()
	moves := make([]movement, len(in.Body.Movements))
	for i, b := range in.Body.Movements {
		moves[i] = newMovement(b.SKU, b.Quantity, reason(b.Reason), b.Reference, now)
	}
	if err := checkSigns(moves, at); err != nil {
		return web.Raw{}, err
	}
	keyed := web.Keyed{Principal: auth.From(ctx).String(), Route: "POST /v1/inventory/batch", Key: in.Key, Request: in.Body}
	return m.answers.Do(ctx, keyed, "", func(ctx context.Context, tx *sqldb.Tx) (web.Raw, error) {
		levels, err := move(ctx, tx, moves, now, at)
		if err != nil {
			return web.Raw{}, err
		}
		return web.JSON(http.StatusOK, batchAnswer{Applied: len(moves), Stock: levels})
	})
}

func (m *Module) postCheck(ctx context.Context, in *checkInput) (checkAnswer, error) {
	answer := checkAnswer{Available: true, Items: make([]checkedItem, 0, len(in.Body.Items))}
	index := make(map[string]int, len(in.Body.Items))
	skus := make([]string, 0, len(in.Body.Items))
	for _, item := range in.Body.Items {
		i, seen := index[item.SKU]
		if !seen {
			i = len(answer.Items)
			index[item.SKU] = i
			skus = append(skus, item.SKU)
			answer.Items = append(answer.Items, checkedItem{SKU: item.SKU})
		}
		answer.Items[i].Requested += item.Quantity
	}
	levels, err := m.Levels(ctx, skus)
	if err != nil {
		return checkAnswer{}, err
	}
	for _, l := range levels {
		answer.Items[index[l.SKU]].Available = l.Available
	}
	for _, item := range answer.Items {
		answer.Available = answer.Available && item.Available >= item.Requested
	}
	return answer, nil
}
