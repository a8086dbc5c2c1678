package main

// charts are the plots, by the name of their files.
func charts(all []record) map[string]chart {
	flow, stored := latest(all, "flow").shown(), latest(all, "stored").shown()
	anchors := ofRun(all, "anchors", flow.run()).shown()
	lines := latest(all, "lines").shown().at(8)
	return map[string]chart{
		"clients-throughput": {
			title: "Orders confirmed a second, over clients", x: "clients", y: "orders/s", log: true, // batches are a different order of magnitude
			series: append(seriesOf(flow, perSecond, clientsOf), anchorSeries(anchors, flow.distinct(clientsOf))...),
		},
		"clients-latency":   {title: "From POST to confirmed, over clients", x: "clients", y: "ms", log: true, series: latencySeries(flow, clientsOf)},
		"stored-throughput": {title: "Orders confirmed a second, over orders stored", x: "orders stored", y: "orders/s", series: seriesOf(stored, perSecond, storedOf)},
		"stored-latency":    {title: "From POST to confirmed, over orders stored", x: "orders stored", y: "ms", log: true, series: latencySeries(stored, storedOf)},
		"lines-throughput":  {title: "Orders confirmed a second, over lines an order, 8 clients", x: "lines an order", y: "orders/s", log: true, series: seriesOf(lines, perSecond, linesOf)},
		"lines-latency":     {title: "From POST to confirmed, over lines an order, 8 clients", x: "lines an order", y: "ms", log: true, series: latencySeries(lines, linesOf)},
	}
}

// seriesOf makes a line of each subject.
func seriesOf(s selection, figure string, x func(record) int) []series {
	var all []series
	for i, subject := range s.subjects() {
		line := series{name: subject, color: i, points: map[int]spread{}}
		for _, value := range s.of(subject).distinct(x) {
			line.points[value] = s.of(subject).where(func(r record) bool { return x(r) == value }).figure(figure)
		}
		all = append(all, line)
	}
	return all
}

// latencySeries makes two lines of each subject: the median, and the 99th percentile dashed.
func latencySeries(s selection, x func(record) int) []series {
	var all []series
	for _, line := range seriesOf(s, p50, x) {
		line.name += ", p50"
		all = append(all, line)
	}
	for _, line := range seriesOf(s, p99, x) {
		line.name, line.dashed = line.name+", p99", true
		all = append(all, line)
	}
	return all
}

// anchorSeries are the anchors, dashed. The batches have a number of clients of their own, so they are a level.
func anchorSeries(s selection, clients []int) []series {
	var all []series
	for i, subject := range s.subjects() {
		g := s.of(subject)
		if g.skipped() != "" {
			continue
		}
		line := series{name: subject, color: i + 2, dashed: true, points: map[int]spread{}}
		for _, n := range clients {
			if subject == batchScript {
				line.points[n] = g.figure(perSecond)
			} else if at := g.at(n).figure(perSecond); at.known() {
				line.points[n] = at
			}
		}
		all = append(all, line)
	}
	return all
}
