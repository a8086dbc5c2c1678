package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// chart is a plot of figures over a few values of one quantity, which stand at equal distances: 0 has its place too.
type chart struct {
	title, x, y string
	log         bool // the y axis
	series      []series
}

// series is one line of a chart. Gaps are allowed: a value of x that has no point.
type series struct {
	name   string
	color  int // index into colors
	dashed bool
	points map[int]spread // by the value of x
}

// colors can be told apart by people who see fewer (Okabe and Ito, https://jfly.uni-koeln.de/color/).
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// The drawing, in pixels.
const (
	chartWidth, chartHeight = 760, 400
	left, right             = 70, 190
	top, bottom             = 40, 50
	plotWidth, plotHeight   = chartWidth - left - right, chartHeight - top - bottom
)

// svg draws the chart. A chart without any point is an empty frame.
func (c chart) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#333">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", escape(c.title))
	label(&b, left, 22, "start", `font-size="15" font-weight="600"`, c.title)
	label(&b, left+plotWidth/2, chartHeight-10, "middle", "", c.x)
	label(&b, 16, top+plotHeight/2, "middle", fmt.Sprintf(`transform="rotate(-90 16 %d)"`, top+plotHeight/2), c.y)
	c.drawAxes(&b)
	for i, s := range c.series {
		c.drawSeries(&b, s)
		c.drawLegend(&b, s, i)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// values are those of x, in order.
func (c chart) values() []int {
	var all []int
	for _, s := range c.series {
		for x := range s.points {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c chart) atX(x int) float64 {
	values := c.values()
	if len(values) < 2 {
		return left + plotWidth/2
	}
	const margin = 20
	return left + margin + float64(slices.Index(values, x))*(plotWidth-2*margin)/float64(len(values)-1)
}

// ticks are the values of y that get a line; the first and the last bound the plot.
func (c chart) ticks() []float64 {
	least, most := math.Inf(1), 0.0
	for _, s := range c.series {
		for _, p := range s.points {
			if !p.known() {
				continue
			}
			if p.Min > 0 {
				least = min(least, p.Min)
			}
			most = max(most, p.Max)
		}
	}
	switch {
	case most <= 0:
		return []float64{0, 1}
	case c.log:
		return logTicks(least, most)
	}
	return linearTicks(most)
}

// linearTicks go from 0 to at least most, four to eight steps of 1, 2 or 5 times a power of ten.
func linearTicks(most float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10(most))) / 5
	for _, factor := range []float64{1, 2.5, 5, 10} {
		if most/(step*factor) <= 8 {
			step *= factor
			break
		}
	}
	ticks := []float64{0}
	for i := 1; ticks[len(ticks)-1] < most; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return ticks
}

// logTicks are 1, 2 and 5 times powers of ten, from at most least to at least most.
func logTicks(least, most float64) []float64 {
	var ticks []float64
	for exponent := math.Floor(math.Log10(least)); ; exponent++ {
		for _, factor := range []float64{1, 2, 5} {
			tick := factor * math.Pow(10, exponent)
			if tick <= least {
				ticks = ticks[:0]
			}
			ticks = append(ticks, tick)
			if tick >= most && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

func (c chart) atY(y float64) float64 {
	ticks := c.ticks()
	low, high := ticks[0], ticks[len(ticks)-1]
	if c.log {
		y, low, high = math.Log(max(y, low)), math.Log(low), math.Log(high)
	}
	return top + plotHeight*(1-(y-low)/(high-low))
}

func (c chart) drawAxes(b *bytes.Buffer) {
	for _, y := range c.ticks() {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, left+plotWidth, c.atY(y), c.atY(y))
		label(b, left-8, int(c.atY(y))+4, "end", "", tickLabel(y))
	}
	for _, x := range c.values() {
		label(b, int(c.atX(x)), top+plotHeight+18, "middle", "", grouped(int64(x)))
	}
}

// drawSeries draws a line through the medians, and from the least to the greatest at each.
func (c chart) drawSeries(b *bytes.Buffer, s series) {
	color := colors[s.color%len(colors)]
	var line []string
	for _, x := range c.values() {
		p, ok := s.points[x]
		if !ok || !p.known() {
			continue
		}
		px := c.atX(x)
		line = append(line, fmt.Sprintf("%.1f,%.1f", px, c.atY(p.Median)))
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="5" stroke-opacity="0.3"/>`+"\n", px, px, c.atY(p.Min), c.atY(p.Max), color)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px, c.atY(p.Median), color)
	}
	if len(line) > 0 {
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(line, " "), color, dash(s))
	}
}

func (c chart) drawLegend(b *bytes.Buffer, s series, i int) {
	x, y := left+plotWidth+16, top+10+20*i
	fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="2"%s/>`+"\n", x, x+24, y, y, colors[s.color%len(colors)], dash(s))
	label(b, x+30, y+4, "start", "", s.name)
}

func dash(s series) string {
	if s.dashed {
		return ` stroke-dasharray="5 4"`
	}
	return ""
}

func label(b *bytes.Buffer, x, y int, anchor, attributes, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, attributes, escape(text))
}

// tickLabel writes a round value without needless digits.
func tickLabel(v float64) string {
	if v >= 1000 {
		return grouped(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.4g", v)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
