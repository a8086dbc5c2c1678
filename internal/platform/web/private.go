package web

import (
	"net/http"
	"net/netip"
	"strings"

	"shop/internal/platform/id"
)

// maxSegments is how much of a path is told.
const maxSegments = 16

// toldPath is a path as logs and traces tell it: the words of the route, and ids that are our own. Whatever else a client put there, "*" stands for it: that may be a customer's
// address, or a token that somebody pasted.
func toldPath(path, route string) string {
	segments, pattern := strings.Split(path, "/"), strings.Split(route, "/")
	if len(segments) > maxSegments {
		segments = append(segments[:maxSegments:maxSegments], "…")
	}
	for i, s := range segments {
		word := i < len(pattern) && s == pattern[i] && s != "*"
		version := i == 1 && (s == "v1" || s == "v2") // also of an address that is not there
		prefix, _, _ := strings.Cut(s, "_")
		if s != "" && s != "…" && !word && !version && (len(prefix) != idPrefix || !id.Valid(prefix, s)) {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// idPrefix is the length of what our ids begin with: ord, pay, shp.
const idPrefix = 3

// How much of an address is told: the network, which is enough to see that many requests come from one place. The whole is in the log of the proxy before the shop, if it is anywhere.
const (
	toldIPv4 = 24
	toldIPv6 = 48
)

// toldAddress is the network of a client; empty when nobody knows.
func toldAddress(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := toldIPv4
	if a.Is6() {
		bits = toldIPv6
	}
	network, _ := a.Prefix(bits) // there are so many bits
	return network.String()
}

// peerAddress is where the connection of a request comes from.
func peerAddress(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // else nobody knows
	return peer.Addr()
}
