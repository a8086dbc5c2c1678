package main

import (
	"fmt"
	"slices"
)

// selection is some records of one run.
type selection []record

// latest are the records of a part in the last run that measured it.
func latest(all []record, part string) selection {
	run := ""
	for _, r := range all {
		if r.Part == part {
			run = max(run, r.Run) // they are times, which sort as text
		}
	}
	return ofRun(all, part, run)
}

// ofRun are the records of a part in a certain run.
func ofRun(all []record, part, run string) selection {
	return selection(all).where(func(r record) bool { return r.Part == part && r.Run == run })
}

func (s selection) where(keep func(record) bool) selection {
	var kept selection
	for _, r := range s {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// shown leaves out what failed: it has no figures, and says no more than that in the list of marks.
func (s selection) shown() selection {
	return s.where(func(r record) bool { return r.Figures != nil || selection{r}.skipped() != "" })
}

func (s selection) of(subject string) selection {
	return s.where(func(r record) bool { return r.Subject == subject })
}

func (s selection) at(clients int) selection {
	return s.where(func(r record) bool { return r.Clients == clients })
}

// run is that of the selection; empty when nothing is selected.
func (s selection) run() string {
	if len(s) == 0 {
		return ""
	}
	return s[0].Run
}

// subjects are those there are, in the order of their first records.
func (s selection) subjects() []string {
	var all []string
	for _, r := range s {
		if !slices.Contains(all, r.Subject) {
			all = append(all, r.Subject)
		}
	}
	return all
}

// distinct are the values of a property that there are, in ascending order.
func (s selection) distinct(property func(record) int) []int {
	var all []int
	for _, r := range s {
		all = append(all, property(r))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func clientsOf(r record) int { return r.Clients }
func storedOf(r record) int  { return r.Stored }
func linesOf(r record) int   { return r.Lines }

// figure summarises a figure over the repetitions.
func (s selection) figure(name string) spread {
	var values []float64
	for _, r := range s {
		if v, ok := r.Figures[name]; ok {
			values = append(values, v)
		}
	}
	return spreadOf(values)
}

// over summarises, over the repetitions, a figure of s divided by that of other in the same repetition.
func (s selection) over(other selection, name string) spread {
	var ratios []float64
	for _, a := range s {
		for _, b := range other {
			above, ok1 := a.Figures[name]
			below, ok2 := b.Figures[name]
			if a.Rep == b.Rep && ok1 && ok2 && below > 0 {
				ratios = append(ratios, above/below)
			}
		}
	}
	return spreadOf(ratios)
}

// String is the median, and the least and the greatest if there were several.
func (s spread) String() string {
	switch {
	case !s.known():
		return "–"
	case s.N == 1:
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}
