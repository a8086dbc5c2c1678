package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"

	"shop/internal/platform/auth"
)

// Proxies are the networks of the proxies before the shop: what they say in X-Forwarded-For is believed. Nobody else's is.
type Proxies []netip.Prefix

// trusts reports whether an address is one of the proxies'.
func (p Proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Address is where a request comes from: its peer, or when that is a proxy, the last address before the proxies. What stands further left in X-Forwarded-For, and in
// X-Real-IP and Forwarded, anybody may have written.
func (p Proxies) Address(r *http.Request) netip.Addr {
	peer, ok := parseAddr(r.RemoteAddr)
	if !ok || len(p) == 0 || !p.trusts(peer) {
		return peer
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more {
			var hop string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, hop = rest[:at], rest[at+1:]
			} else {
				hop, more = rest, false
			}
			a, ok := parseAddr(strings.TrimSpace(hop))
			if !ok {
				return peer // a proxy of ours does not know more
			}
			if peer = a; !p.trusts(a) {
				return a
			}
		}
	}
	return peer
}

// parseAddr reads an address with or without port. One that is IPv4 in IPv6's clothes is IPv4; zones are dropped.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

// addressKey names the client behind an address. Of IPv6 it is the network of 64 bits: whoever has one address there has them all.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		prefix, _ := a.Prefix(64) // 64 bits are there
		return prefix.String()
	}
	return a.String()
}

// Client names who asks: the principal, or the address when nobody is known. staff tells those who work for the shop.
func (p Proxies) Client(r *http.Request) (name string, staff bool) {
	if who := auth.From(r.Context()); who.Known() {
		return who.String(), who.Has(auth.Operator, auth.Service)
	}
	return addressKey(p.Address(r)), false
}
