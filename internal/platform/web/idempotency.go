package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"shop/internal/platform/clock"
	"shop/internal/platform/fault"
	"shop/internal/platform/sqldb"
)

var (
	// ErrKeyMissing: an operation that moves money or stock, or places an order, came without an Idempotency-Key.
	ErrKeyMissing = fault.New(fault.Malformed, "idempotency_key_missing", "this operation needs an Idempotency-Key header")
	// ErrKeyInvalid: the key is longer than 255 characters or holds something that is not printable ASCII.
	ErrKeyInvalid = fault.New(fault.Malformed, "idempotency_key_invalid", "an Idempotency-Key has 1 to 255 printable ASCII characters")
	// ErrKeyReused: the key came before with another request.
	ErrKeyReused = fault.New(fault.Invalid, "idempotency_key_reused", "this Idempotency-Key was used for another request")
)

// Keyed is a request that may come twice.
type Keyed struct {
	Principal string // who asks; keys of two principals have nothing to do with each other
	Route     string // method and path with the values of its parameters
	Key       string // the Idempotency-Key header
	Request   any    // what must be the same in a repetition; compared as JSON

	// Again makes the body of the first answer again from what its headers name, so that it need not be stored. Nil: it is stored.
	Again func(ctx context.Context, header http.Header) ([]byte, error)
}

// Idempotency keeps one answer for each principal, route and key, in the database of the context that gives it, written in the transaction that
// does the work (draft-ietf-httpapi-idempotency-key-header-07). Faults are not kept: what was refused changed nothing, and may be tried again. A repetition that
// comes while the first is running waits for it and gets its answer.
type Idempotency struct {
	db    *sqldb.DB
	clock clock.Clock
	kind  *sqldb.Kind
}

// NewIdempotency keeps answers in a context's database.
func NewIdempotency(db *sqldb.DB, c clock.Clock) *Idempotency {
	return &Idempotency{db: db, clock: c, kind: &sqldb.Kind{Name: "idempotency", Prepare: loadAnswers, Assume: assumeNone}}
}

// answerID names an answer by who asked for what with which key.
type answerID string

func (k Keyed) answerID() answerID { return answerID(sqldb.Digest(k.Principal, k.Route, k.Key)) }

type answer struct {
	ID      answerID `db:"id"`
	Hash    string   `db:"request_hash"`
	Status  int      `db:"status"`
	Headers []byte   `db:"headers"`
	Body    []byte   `db:"body"`
}

// Do answers the request: with the stored answer if there is one, else by running work in a transaction, together with the row that stores its answer. Work of one orderingKey runs
// in order; empty means that of the Idempotency-Key. Errors: ErrKeyMissing, ErrKeyInvalid, ErrKeyReused, those of work, sqldb.ErrUnavailable.
func (i *Idempotency) Do(ctx context.Context, k Keyed, orderingKey string, work func(ctx context.Context, tx *sqldb.Tx) (Raw, error)) (Raw, error) {
	if err := checkKey(k.Key); err != nil {
		return Raw{}, err
	}
	hash, err := hashOf(k.Request)
	if err != nil {
		return Raw{}, err
	}
	if orderingKey == "" {
		orderingKey = k.Key
	}
	for tries := 1; ; tries++ {
		reply, err := i.once(ctx, k, hash, orderingKey, work)
		if tries < 3 && errors.Is(err, sqldb.ErrDuplicate) { // another process stored an answer, or a version, at the same moment
			continue
		}
		if err != nil {
			return Raw{}, err
		}
		return k.withBody(ctx, reply)
	}
}

// withBody adds the body that was not stored.
func (k Keyed) withBody(ctx context.Context, reply Raw) (_ Raw, err error) {
	if k.Again != nil && len(reply.Body) == 0 {
		reply.Body, err = k.Again(ctx, reply.Header)
	}
	return reply, err
}

func (i *Idempotency) once(ctx context.Context, k Keyed, hash, orderingKey string, work func(ctx context.Context, tx *sqldb.Tx) (Raw, error)) (Raw, error) {
	var reply Raw
	id := k.answerID()
	err := i.db.Do(ctx, sqldb.Job{Key: orderingKey, Kind: i.kind, Arg: id, Run: func(ctx context.Context, tx *sqldb.Tx) error {
		if stored, ok := tx.Local(id); ok {
			r, err := stored.(answer).replay(hash)
			reply = r
			return err
		}
		r, err := work(ctx, tx)
		if err != nil {
			return err
		}
		reply = r
		return i.store(tx, id, k, hash, r)
	}})
	return reply, err
}

// Replay gives the stored answer of a request, if there is one, without running anything. For what must be decided before the
// transaction: a repetition gets its answer though the decision would be another today. Errors: those of Do.
func (i *Idempotency) Replay(ctx context.Context, k Keyed) (reply Raw, found bool, err error) {
	if err := checkKey(k.Key); err != nil {
		return Raw{}, false, err
	}
	hash, err := hashOf(k.Request)
	if err != nil {
		return Raw{}, false, err
	}
	var a answer
	err = i.db.Get(ctx, &a, `SELECT `+answerColumns+` FROM idempotency_keys WHERE id = $1`, string(k.answerID()))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Raw{}, false, nil
	}
	if err != nil {
		return Raw{}, false, err
	}
	if reply, err = a.replay(hash); err == nil {
		reply, err = k.withBody(ctx, reply)
	}
	return reply, err == nil, err
}

func checkKey(key string) error {
	if key == "" {
		return ErrKeyMissing
	}
	if len(key) > 255 {
		return ErrKeyInvalid
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return ErrKeyInvalid
		}
	}
	return nil
}

// hashOf is a digest of the request's JSON.
func hashOf(request any) (string, error) {
	raw, ok := request.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(request); err != nil {
			return "", err
		}
	}
	return sqldb.Digest(string(raw)), nil
}

func (a answer) replay(hash string) (Raw, error) {
	if a.Hash != hash {
		return Raw{}, ErrKeyReused
	}
	raw := Raw{Status: a.Status, Body: a.Body}
	if len(a.Headers) > 0 {
		if err := json.Unmarshal(a.Headers, &raw.Header); err != nil {
			return Raw{}, err
		}
	}
	return raw.With("Idempotency-Replayed", "true"), nil
}

const answerColumns = `id, request_hash, status, headers, body`

var insertAnswer = sqldb.Many{
	SQL: `INSERT INTO idempotency_keys (id, request_hash, status, headers, body, created_at)
		SELECT r.id, r.request_hash, r.status, r.headers, r.body, r.created_at FROM {rows}`,
	Columns: "id text, request_hash text, status bigint, headers text, body text, created_at bigint",
}

func (i *Idempotency) store(tx *sqldb.Tx, id answerID, k Keyed, hash string, reply Raw) error {
	a := answer{id, hash, reply.Status, nil, reply.Body}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	if len(reply.Header) > 0 {
		var err error
		if a.Headers, err = json.Marshal(reply.Header); err != nil {
			return err
		}
	}
	tx.SetLocal(id, a)
	if k.Again != nil {
		a.Body = nil
	}
	tx.Queue(&insertAnswer, string(a.ID), a.Hash, a.Status, string(a.Headers), string(a.Body), sqldb.Micros(i.clock.Now()))
	return nil
}

// assumeNone takes all requests for new ones. The key of the stored answer refuses one that is not.
func assumeNone(context.Context, *sqldb.Tx, []any) error { return nil }

// loadAnswers finds the stored answers for all requests of a batch at once.
func loadAnswers(ctx context.Context, tx *sqldb.Tx, args []any) error {
	ids := make([]string, len(args))
	for i, a := range args {
		ids[i] = string(a.(answerID))
	}
	var found []answer
	if err := tx.Select(ctx, &found, `SELECT `+answerColumns+` FROM idempotency_keys WHERE id IN {$1}`, ids); err != nil {
		return err
	}
	for _, a := range found {
		tx.SetLocal(a.ID, a)
	}
	return nil
}
