package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-chi/chi/v5"
)

const readClients = 32

// route is a GET to measure: its name, the paths that are asked for at random, and one of them.
type route struct {
	pattern string
	paths   []string
}

// reads measures GET routes of a shop, each in turn with a plain chi handler that gives the same answer from memory: headers, body and all.
func (b *bench) reads(ctx context.Context, rep int, kind string) (err error) {
	s, err := b.open(ctx, kind, "reads", b.history)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	orders, err := s.orderPaths(ctx, 1000)
	if err != nil {
		return err
	}
	routes := []route{{"/v1/orders/{id}", orders}, {"/v1/products", []string{"/v1/products"}}}
	plain, err := b.launchPlain(ctx, s, routes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.kill()) }()
	for _, route := range routes {
		_, body, err := s.get(ctx, route.paths[0])
		if err != nil {
			return err
		}
		l := load{clients: readClients, work: getOne(route.paths)}
		for _, t := range []struct {
			subject string
			target
		}{{"shop-" + kind, s.target()}, {"plain", target{process: plain}}} {
			r := record{Part: "reads", Subject: t.subject, Rep: rep, Clients: readClients, Route: route.pattern, Beside: kind, Bytes: len(body)}
			if err := b.measure(ctx, t.target, l, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// orderPaths are the paths of the newest orders, as far as there are so many.
func (s *shop) orderPaths(ctx context.Context, most int) ([]string, error) {
	var paths []string
	for after := ""; len(paths) < most; {
		_, body, err := s.get(ctx, "/v1/orders?limit=100&after="+url.QueryEscape(after))
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []struct{ ID string }
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Data {
			paths = append(paths, "/v1/orders/"+o.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("the shop has no orders to read")
	}
	return paths, nil
}

// remembered is an answer of the shop.
type remembered struct {
	Pattern string
	Header  http.Header
	Body    []byte
}

// launchPlain takes down what the shop answers and starts this program once more, as the handler that repeats it.
func (b *bench) launchPlain(ctx context.Context, s *shop, routes []route) (*process, error) {
	var answers []remembered
	for _, r := range routes {
		header, body, err := s.get(ctx, r.paths[0])
		if err != nil {
			return nil, err
		}
		header.Del("Date") // net/http writes these two itself
		header.Del("Content-Length")
		answers = append(answers, remembered{r.pattern, header, body})
	}
	text, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "answers.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return launch(exec.CommandContext(ctx, self, "plain", addr, file), addr, "/ping", filepath.Join(s.dir, "plain.log"))
}

// servePlain is the program that launchPlain starts: a chi router and nothing else.
func servePlain(addr, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var answers []remembered
	if err := json.Unmarshal(text, &answers); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	r := chi.NewRouter()
	r.Get("/ping", func(http.ResponseWriter, *http.Request) {})
	for _, a := range answers {
		r.Get(a.Pattern, func(w http.ResponseWriter, _ *http.Request) {
			header := w.Header()
			for name, values := range a.Header {
				header[name] = values
			}
			_, _ = w.Write(a.Body)
		})
	}
	return (&http.Server{Addr: addr, Handler: r, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe()
}
