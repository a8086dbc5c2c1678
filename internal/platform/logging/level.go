package logging

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/fault"
	"shop/internal/platform/web"
)

// Levels that can be set, from the one that says most.
var levels = []zapcore.Level{zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel}

// ParseLevel reads debug, info, warn or error. Errors: that it is none of these.
func ParseLevel(s string) (zapcore.Level, error) {
	for _, l := range levels {
		if s == l.String() {
			return l, nil
		}
	}
	return 0, fmt.Errorf("%q is not one of debug, info, warn, error", s)
}

// The longest and the shortest time for which a level can be set.
const (
	LongestFor  = 24 * time.Hour
	ShortestFor = time.Second
)

// Level is the level from which on lines are written. It can be changed at any time, and then goes back to the configured one by itself, if that is asked for.
type Level struct {
	atomic     zap.AtomicLevel
	configured zapcore.Level
	notice     *zap.Logger // writes whatever the level

	mu    sync.Mutex
	until time.Time   // when the configured level comes back; zero: it does not
	back  *time.Timer // which brings it back; nil without until
	turn  int         // of the last change
}

func newLevel(configured zapcore.Level, notice *zap.Logger) *Level {
	return &Level{atomic: zap.NewAtomicLevelAt(configured), configured: configured, notice: notice}
}

// Set changes the level: for some time, or with 0 until it is set again.
func (l *Level) Set(level zapcore.Level, limit time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	fields := []zap.Field{zap.Stringer("from", l.atomic.Level()), zap.Stringer("to", level)}
	if limit > 0 {
		turn := l.turn
		l.until, l.back = time.Now().Add(limit), time.AfterFunc(limit, func() { l.bringBack(turn) })
		fields = append(fields, zap.Duration("for", limit))
	}
	l.atomic.SetLevel(level)
	l.notice.Info("the level of the log is changed", fields...)
}

// bringBack ends the limited time of a change, unless another followed it.
func (l *Level) bringBack(turn int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != turn {
		return
	}
	l.forget()
	l.notice.Info("the level of the log is the configured one again", zap.Stringer("from", l.atomic.Level()), zap.Stringer("to", l.configured))
	l.atomic.SetLevel(l.configured)
}

// forget ends a limited time; the level stays. l.mu is held.
func (l *Level) forget() {
	if l.back != nil {
		l.back.Stop()
	}
	l.back, l.until = nil, time.Time{}
	l.turn++
}

func (l *Level) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
}

// LevelState is what is told of a level.
type LevelState struct {
	Level      string     `json:"level"`
	Configured string     `json:"configured"`
	Until      *time.Time `json:"until"` // when the configured one comes back; null: it stays
}

// State is the level at the moment.
func (l *Level) State() LevelState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LevelState{Level: l.atomic.Level().String(), Configured: l.configured.String()}
	if !l.until.IsZero() {
		until := l.until.UTC().Truncate(time.Second)
		s.Until = &until
	}
	return s
}

// What a request to change the level may be told.
var (
	errMalformed = fault.New(fault.Malformed, "malformed_body", `the body must be such as {"level":"debug"}`)
	errNoLevel   = fault.New(fault.Invalid, "invalid_level", "the level must be debug, info, warn or error")
	errFor       = fault.Newf(fault.Invalid, "invalid_for", "for must be a time from %s to %s, such as 10m", ShortestFor, LongestFor)
)

// ServeHTTP answers GET with the state, and changes the level with PUT, a body such as {"level":"debug"} and, if it is to be for some time only, ?for=10m.
func (l *Level) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		level, limit, err := readChange(r)
		if err != nil {
			web.WriteProblem(w, r, err)
			return
		}
		l.Set(level, limit)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		web.WriteProblem(w, r, &web.Problem{Type: "urn:shop:problem:method_not_allowed", Title: http.StatusText(http.StatusMethodNotAllowed), Status: http.StatusMethodNotAllowed,
			Code: "method_not_allowed", Detail: "the level is read with GET and changed with PUT"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(l.State()) // who asked may have left
}

// maxChange is how long a body may be, in bytes.
const maxChange = 1 << 10

func readChange(r *http.Request) (level zapcore.Level, limit time.Duration, err error) {
	var body struct{ Level string }
	in := json.NewDecoder(io.LimitReader(r.Body, maxChange))
	in.DisallowUnknownFields()
	if err := in.Decode(&body); err != nil {
		return 0, 0, errMalformed
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return 0, 0, errMalformed
	}
	if level, err = ParseLevel(body.Level); err != nil {
		return 0, 0, errNoLevel
	}
	if r.URL.Query().Has("for") {
		if limit, err = time.ParseDuration(r.URL.Query().Get("for")); err != nil || limit < ShortestFor || limit > LongestFor {
			return 0, 0, errFor
		}
	}
	return level, limit, nil
}
