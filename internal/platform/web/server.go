package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Server is an http.Server with a limit on everything a slow or hostile client could hold open. A handler that streams
// lifts its write deadline with http.ResponseController.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      90 * time.Second, // more than the slowest operation: its timeout and the longest Prefer: wait
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

// Server serves the edge. What net/http has to say goes to the edge's log.
func (e *Edge) Server(addr string) *http.Server {
	s := Server(addr, e.root)
	s.ErrorLog, _ = zap.NewStdLogAt(e.log, zap.WarnLevel) // the level exists
	return s
}

// Stop lets the requests in flight finish, for at most grace, and cuts those that do not. Errors: that some were cut.
func Stop(s *http.Server, grace time.Duration) error {
	s.SetKeepAlivesEnabled(false) // answers now say Connection: close
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
