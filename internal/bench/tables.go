package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// tables are the blocks of the document, by name.
func tables(all []record) map[string]string {
	flow := latest(all, "flow").shown()
	anchors := ofRun(all, "anchors", flow.run()).shown()
	return map[string]string{
		"machine": machineTable(all, flow.run()),
		"rates":   ratesTable(append(slices.Clone(flow), anchors...)),
		"ratios":  ratiosTable(flow, anchors),
		"costs":   costsTable(append(slices.Clone(flow), anchors...)),
		"stored":  storedTable(all),
		"lines":   linesTable(latest(all, "lines").shown()),
		"reads":   readsTable(latest(all, "reads").shown()),
		"edge":    edgeTable(latest(all, "edge").shown()),
		"split":   splitTable(latest(all, "split").shown()),
		"tracing": tracingTable(latest(all, "tracing").shown()),
		"start":   startTable(latest(all, "start").shown()),
		"memory":  memoryTable(latest(all, "start").shown(), flow),
		"marks":   marksList(all),
	}
}

// machineTable says where and how the run was made.
func machineTable(all []record, run string) string {
	machines := ofRun(all, "machine", run)
	if len(machines) == 0 {
		machines = latest(all, "machine")
	}
	var rows [][]string
	for _, m := range machines {
		rows = append(rows, []string{"run", m.Run})
		for _, name := range slices.Sorted(maps.Keys(m.Notes)) {
			rows = append(rows, []string{name, m.Notes[name]})
		}
	}
	return markdown([]string{"", ""}, rows)
}

// ratesTable shows throughput and latency of the shop and of the anchors.
func ratesTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		if skipped := s.of(subject).skipped(); skipped != "" {
			rows = append(rows, []string{subject, "", skipped, "", ""})
			continue
		}
		for _, clients := range s.of(subject).distinct(clientsOf) {
			g := s.of(subject).at(clients)
			rows = append(rows, []string{subject, strconv.Itoa(clients), g.figure(perSecond).String(), g.figure(p50).String(), g.figure(p99).String()})
		}
	}
	return markdown([]string{"", "clients", "orders/s", "p50 ms", "p99 ms"}, rows)
}

// skipped says why there are no figures; empty when there are.
func (s selection) skipped() string {
	for _, r := range s {
		for _, mark := range r.Marks {
			if strings.HasPrefix(mark, skippedMark) {
				return mark
			}
		}
	}
	return ""
}

// ratiosTable divides the shop's rate by that of each anchor at as many clients, in the same repetition. The batches have a number of clients of their own.
func ratiosTable(flow, anchors selection) string {
	if len(anchors) == 0 {
		return notMeasured
	}
	if why := anchors.of("all").skipped(); why != "" {
		return "The anchors were not measured. " + why + "."
	}
	names := []string{"full_pipe", "five_pipe", batchScript, orderflow}
	var rows [][]string
	for _, subject := range flow.subjects() {
		for _, clients := range flow.of(subject).distinct(clientsOf) {
			row := []string{subject, strconv.Itoa(clients)}
			for _, name := range names {
				anchor := anchors.of(name)
				if name != batchScript {
					anchor = anchor.at(clients)
				}
				row = append(row, flow.of(subject).at(clients).over(anchor, perSecond).String())
			}
			rows = append(rows, row)
		}
	}
	header := []string{"orders/s of", "clients"}
	for _, name := range names {
		header = append(header, "÷ "+name)
	}
	return markdown(header, rows)
}

// costsTable shows what one order costs.
func costsTable(s selection) string {
	figures := []struct{ head, name string }{
		{"CPU ms, program", cpuProgram}, {"CPU ms, PostgreSQL", cpuPostgres}, {"CPU ms, generator", cpuGenerator},
		{"statements", statements}, {"round trips", roundTrips}, {"commits", commits}, {"syncs", syncs}, {"WAL bytes", walBytes}, {"bytes written", writtenToDev},
	}
	header := []string{"an order of", "clients"}
	for _, f := range figures {
		header = append(header, f.head)
	}
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, clients := range s.of(subject).distinct(clientsOf) {
			g := s.of(subject).at(clients)
			if g.skipped() != "" {
				continue
			}
			row := []string{subject, strconv.Itoa(clients)}
			for _, f := range figures {
				row = append(row, g.figure(f.name).String())
			}
			rows = append(rows, row)
		}
	}
	return markdown(header, rows)
}

// storedTable compares shops with many orders to an empty one.
func storedTable(all []record) string {
	s, fills := latest(all, "stored").shown(), latest(all, "fill")
	var rows [][]string
	for _, subject := range s.subjects() {
		empty := s.of(subject).where(func(r record) bool { return r.Stored == 0 })
		for _, n := range s.of(subject).distinct(storedOf) {
			stored := func(r record) bool { return r.Stored == n }
			g, fill := s.of(subject).where(stored), fills.of(subject).where(stored)
			audit, size := "–", "–"
			if len(fill) > 0 {
				audit, size = fill[0].Notes["audit"], number(fill[0].Figures[storedBytes]/(1<<20))
			}
			rows = append(rows, []string{
				subject, grouped(int64(n)), g.figure(perSecond).String(), g.over(empty, perSecond).String(), g.figure(p50).String(), g.figure(p99).String(), size, audit,
			})
		}
	}
	return markdown([]string{"", "orders stored", "orders/s", "÷ empty", "p50 ms", "p99 ms", "MiB stored", "audit before"}, rows)
}

// linesTable compares long orders to those of two lines.
func linesTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, clients := range s.of(subject).distinct(clientsOf) {
			g := s.of(subject).at(clients)
			short := g.where(func(r record) bool { return r.Lines == 2 })
			for _, lines := range g.distinct(linesOf) {
				long := g.where(func(r record) bool { return r.Lines == lines })
				rows = append(rows, []string{
					subject, strconv.Itoa(clients), strconv.Itoa(lines), long.figure(perSecond).String(),
					long.figure(p50).String(), long.over(short, p50).String(),
					long.withCPU().figure(cpuAll).String(), long.withCPU().over(short.withCPU(), cpuAll).String(),
				})
			}
		}
	}
	return markdown([]string{"", "clients", "lines", "orders/s", "p50 ms", "÷ 2 lines", "CPU ms", "÷ 2 lines"}, rows)
}

// cpuAll is what program, database and the processes beside them use together for an order; it is computed, not recorded.
const cpuAll = "cpu_all_ms"

func (s selection) withCPU() selection {
	var all selection
	for _, r := range s {
		f := maps.Clone(r.Figures)
		f[cpuAll] = f[cpuProgram] + f[cpuPostgres]
		for name, cpu := range f {
			if strings.HasPrefix(name, cpuBeside) {
				f[cpuAll] += cpu
			}
		}
		r.Figures = f
		all = append(all, r)
	}
	return all
}

// readsTable compares the shop's GETs to the plain handler's.
func readsTable(s selection) string {
	var rows [][]string
	seen := map[string]bool{}
	for _, r := range s {
		name := r.Route + " " + r.Beside
		if seen[name] {
			continue
		}
		seen[name] = true
		turns := s.where(func(other record) bool { return other.Route == r.Route && other.Beside == r.Beside })
		shop, plain := turns.of("shop-"+r.Beside), turns.of("plain")
		rows = append(rows, []string{
			"`GET " + r.Route + "`", r.Beside, grouped(int64(r.Bytes)), shop.figure(perSecond).String(), plain.figure(perSecond).String(), shop.over(plain, perSecond).String(),
			shop.figure(p50).String(), shop.figure(p99).String(), shop.figure(cpuProgram).String(), plain.figure(cpuProgram).String(),
		})
	}
	return markdown([]string{"", "database", "bytes", "shop/s", "plain/s", "ratio", "p50 ms", "p99 ms", "CPU ms", "CPU ms, plain"}, rows)
}

// edgeTable compares orders whose requests are counted and bounded to those whose are not.
func edgeTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, clients := range s.of(subject).distinct(clientsOf) {
			side := func(name string) selection {
				return s.of(subject).at(clients).where(func(r record) bool { return r.Route == name }).withCPU()
			}
			with, without := side("limited"), side("unlimited")
			rows = append(rows, []string{
				subject, strconv.Itoa(clients), with.figure(perSecond).String(), without.figure(perSecond).String(),
				with.figure(p50).String(), without.figure(p50).String(), with.figure(cpuAll).String(), without.figure(cpuAll).String(), with.over(without, cpuAll).String(),
			})
		}
	}
	return markdown([]string{"", "clients", "orders/s", "without", "p50 ms", "without", "CPU ms", "without", "CPU ratio"}, rows)
}

// splitTable compares a shop of several processes to the one process.
func splitTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, clients := range s.of(subject).distinct(clientsOf) {
			cut := func(name string) selection {
				return s.of(subject).at(clients).where(func(r record) bool { return r.Route == name }).withCPU()
			}
			whole := cut(cuts[0].name)
			for _, c := range cuts {
				g := cut(c.name)
				if len(g) == 0 {
					continue
				}
				rows = append(rows, []string{subject, strconv.Itoa(clients), c.name, g.figure(perSecond).String(), g.over(whole, perSecond).String(), g.figure(p50).String(),
					g.figure(p99).String(), g.over(whole, p99).String(), g.figure(cpuAll).String()})
			}
		}
	}
	return markdown([]string{"", "clients", "", "orders/s", "÷ one process", "p50 ms", "p99 ms", "÷ one process", "CPU ms"}, rows)
}

// tracingTable compares orders of which some or all are traced to those of which none is.
func tracingTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, clients := range s.of(subject).distinct(clientsOf) {
			at := func(name string) selection {
				return s.of(subject).at(clients).where(func(r record) bool { return r.Route == name }).withCPU()
			}
			off := at(untraced)
			for _, name := range []string{untraced, atRest, atTenth, atAll} {
				g := at(name)
				if len(g) == 0 {
					continue
				}
				rows = append(rows, []string{subject, strconv.Itoa(clients), name, g.figure(perSecond).String(), g.over(off, perSecond).String(), g.figure(p50).String(), g.figure(cpuAll).String(), g.over(off, cpuAll).String()})
			}
		}
	}
	return markdown([]string{"", "clients", "traced", "orders/s", "÷ off", "p50 ms", "CPU ms", "÷ off"}, rows)
}

func startTable(s selection) string {
	var rows [][]string
	for _, subject := range s.subjects() {
		for _, n := range []struct{ route, says string }{{startFirst, "the first time"}, {startAgain, "again"}} {
			g := s.of(subject).where(func(r record) bool { return r.Route == n.route })
			rows = append(rows, []string{subject, n.says, g.figure(startup).String()})
		}
	}
	return markdown([]string{"", "", "ms to /readyz"}, rows)
}

// memoryTable shows what a shop uses at rest and under load.
func memoryTable(start, flow selection) string {
	var rows [][]string
	for _, subject := range start.subjects() {
		idle := start.of(subject)
		rows = append(rows, []string{
			subject, "idle", idle.figure(memory).String(), "–", fmt.Sprintf("%s, PostgreSQL %s", idle.figure(idleCPU), idle.figure(idlePostgres)),
		})
	}
	for _, subject := range flow.subjects() {
		for _, clients := range flow.of(subject).distinct(clientsOf) {
			g := flow.of(subject).at(clients)
			rows = append(rows, []string{subject, strconv.Itoa(clients) + " clients", g.figure(memory).String(), g.figure(memoryPeak).String(), "–"})
		}
	}
	return markdown([]string{"", "", "resident MiB", "most since its start", "CPU, % of a core"}, rows)
}

// marksList names every run, of those shown, that was disturbed or went wrong.
func marksList(all []record) string {
	var lines []string
	for _, part := range append([]string{"fill"}, allParts...) {
		for _, r := range latest(all, part) {
			if len(r.Marks) == 0 {
				continue
			}
			lines = append(lines, fmt.Sprintf("- %s, %s, %d clients, repetition %d: %s", r.Part, r.Subject, r.Clients, r.Rep, strings.Join(r.Marks, "; ")))
		}
	}
	if len(lines) == 0 {
		return "No run was disturbed, and none had an error."
	}
	return strings.Join(lines, "\n")
}
