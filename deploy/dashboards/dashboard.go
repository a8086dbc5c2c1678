package main

import "strings"

// dashboard is what stands on one page of Grafana.
type dashboard struct {
	uid, title, about string
	rows              []row
}

type row struct {
	title  string
	panels []panel
}

// panel shows one thing, and says what it is and when to worry.
type panel struct {
	title, about string
	unit         string // of Grafana: s, ops, short, percentunit, bytes, …
	kind         string // timeseries, if nothing else is said; stat is one number
	stacked      bool
	queries      []query
	runbooks     []string // alerts about the same
}

type query struct{ legend, expression string }

// units are those of Grafana that are used here; stat panels and axes are labelled with them.
var units = []string{"s", "ops", "reqps", "short", "percentunit", "bytes", "dateTimeFromNow"}

// Grafana's grid is 24 wide.
const (
	wide, narrow = 8, 4 // a graph, a number
	tall, low    = 8, 4
)

// object is JSON.
type object = map[string]any

var source = object{"type": "prometheus", "uid": "${datasource}"}

// model is the dashboard as Grafana keeps it.
func (d dashboard) model() object {
	panels := []object{}
	id, y := 0, 0
	place := func(p object, x, w, h int) {
		id++
		p["id"], p["gridPos"] = id, object{"x": x, "y": y, "w": w, "h": h}
		panels = append(panels, p)
	}
	for _, r := range d.rows {
		place(object{"type": "row", "title": r.title, "collapsed": false, "panels": []object{}}, 0, 24, 1)
		y++
		x, deepest := 0, 0
		for _, p := range r.panels {
			w, h := wide, tall
			if p.kind == "stat" {
				w, h = narrow, low
			}
			if x+w > 24 {
				x, y, deepest = 0, y+deepest, 0
			}
			place(p.model(), x, w, h)
			x, deepest = x+w, max(deepest, h)
		}
		y += deepest
	}
	return object{
		"uid": d.uid, "title": d.title, "description": d.about, "tags": []string{"shop"}, "schemaVersion": 39, "version": 1, "editable": true,
		"refresh": "30s", "time": object{"from": "now-3h", "to": "now"}, "timezone": "browser", "graphTooltip": 1,
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1},
			{"name": "namespace", "label": "Namespace", "type": "query", "datasource": source, "query": "label_values(shop_build_info, namespace)", "refresh": 2,
				"includeAll": true, "allValue": ".*", "multi": false, "current": object{"text": "All", "value": "$__all"}},
			{"name": "runbooks", "label": "Runbooks", "type": "textbox", "query": runbooksAt, "current": object{"text": runbooksAt, "value": runbooksAt}},
		}},
		"links": []object{{"type": "dashboards", "title": "shop", "tags": []string{"shop"}, "asDropdown": true, "includeVars": true, "keepTime": true}},
		"annotations": object{"list": []object{{
			"name": "Alerts", "datasource": source, "enable": true, "iconColor": "red", "expr": `ALERTS{alertname=~"Shop.*",alertstate="firing",namespace=~"$namespace"}`,
			"titleFormat": "{{alertname}}", "step": "60s",
		}}},
		"panels": panels,
	}
}

// runbooksAt is where the pages of alerts are; deployments put the address of the repository before it.
const runbooksAt = "docs/runbooks"

func (p panel) model() object {
	targets, links := []object{}, []object{}
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": here(q.expression), "legendFormat": q.legend})
	}
	for _, alert := range p.runbooks {
		links = append(links, object{"title": alert, "url": "${runbooks}/" + alert + ".md", "targetBlank": true})
	}
	defaults := object{"unit": p.unit, "min": 0}
	m := object{"type": p.kind, "title": p.title, "description": p.about, "datasource": source, "targets": targets, "links": links}
	if p.kind == "stat" {
		m["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "none", "graphMode": "area", "textMode": "auto"}
	} else {
		m["type"] = "timeseries"
		custom := object{"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false}
		if p.stacked {
			custom["stacking"], custom["fillOpacity"] = object{"mode": "normal"}, 40
		}
		defaults["custom"] = custom
		m["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	}
	m["fieldConfig"] = object{"defaults": defaults, "overrides": []object{}}
	return m
}

// here asks for the chosen namespace only: NS stands in every expression where that belongs.
func here(expression string) string {
	return strings.ReplaceAll(expression, "NS", `namespace=~"$namespace"`)
}
