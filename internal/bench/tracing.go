package main

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// The sides of the part "tracing".
const (
	untraced = "off"
	atRest   = "as installed" // the recorder alone, at most ten new traces a second
	atTenth  = "10 %"
	atAll    = "100 %"
)

// tracingSides are all of them, with their settings. Where spans are exported, a collector in the generator's process takes them, and throws them away unread.
func tracingSides(collector string) []side {
	exported := []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + collector, "OTEL_TRACES_SAMPLER=parentbased_traceidratio"}
	return []side{
		{untraced, []string{"OTEL_SDK_DISABLED=true"}},
		{atRest, nil},
		{atTenth, append(exported[:2:2], "OTEL_TRACES_SAMPLER_ARG=0.1")},
		{atAll, append(exported[:2:2], "OTEL_TRACES_SAMPLER_ARG=1")},
	}
}

// side is one of several settings whose shops take turns.
type side struct {
	name     string
	settings []string
}

// tracing measures what it costs to follow orders: the same flow without, and with some and all of them traced.
func (b *bench) tracing(ctx context.Context, rep int, kind string) error {
	collector, stop, err := startCollector(ctx)
	if err != nil {
		return err
	}
	defer stop()
	sides := tracingSides(collector)
	for i := range sides {
		if err := b.tracingSide(ctx, rep, kind, sides[(i+rep)%len(sides)]); err != nil { // nobody is always first
			return err
		}
	}
	return nil
}

func (b *bench) tracingSide(ctx context.Context, rep int, kind string, at side) (err error) {
	s, err := b.open(ctx, kind, "tracing", 0, at.settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	for _, clients := range []int{32, 128} {
		l := load{clients: clients, work: placeOrders(2)}
		if err := b.measure(ctx, s.target(), l, record{Part: "tracing", Subject: "shop-" + kind, Route: at.name, Rep: rep, Clients: clients, Lines: 2}); err != nil {
			return err
		}
	}
	return nil
}

// startCollector answers every export with success.
func startCollector(ctx context.Context) (url string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(unread{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var request mem.BufferSlice
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		request.Free()
		return stream.SendMsg(&mem.BufferSlice{}) // of no bytes: an answer without a complaint
	}))
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), s.Stop, nil
}

// unread is a codec that leaves messages as they are.
type unread struct{}

// Marshal implements encoding.CodecV2.
func (unread) Marshal(v any) (mem.BufferSlice, error) { return *v.(*mem.BufferSlice), nil }

// Unmarshal implements encoding.CodecV2.
func (unread) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	*v.(*mem.BufferSlice) = data
	return nil
}

// Name implements encoding.CodecV2.
func (unread) Name() string { return "proto" }
