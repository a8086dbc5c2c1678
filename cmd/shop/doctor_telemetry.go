package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
)

// exporterVariables name where signals are sent to, by OpenTelemetry's standard. The first is for all of them.
var exporterVariables = []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"}

// examineTelemetry looks whether those answer whom traces and metrics are sent to. A shop works without.
func (d *doctor) examineTelemetry(ctx context.Context, c *chart) {
	if strings.EqualFold(d.given["OTEL_SDK_DISABLED"], "true") {
		c.ok("telemetry", "OTEL_SDK_DISABLED turns it off")
		return
	}
	var asked []string
	for _, variable := range exporterVariables {
		value := d.given[variable]
		if value == "" || slices.Contains(asked, value) {
			continue
		}
		asked = append(asked, value)
		at, err := exporterAddress(value)
		if err != nil {
			c.fail("telemetry", exitConfiguration, "correct "+variable+": "+settingsPage, "%s: expected such as http://localhost:4317", variable)
			continue
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
		if err != nil {
			c.fail("telemetry", exitDependency, "start the collector, or correct "+variable, "%s does not answer, and what the shop would tell is lost: %s", at, plainly(err))
			continue
		}
		_ = conn.Close() // nothing was said
		c.ok("telemetry", "%s takes connections", at)
	}
	if len(asked) == 0 {
		c.ok("telemetry", "nothing is exported; metrics and the newest spans are on the admin port")
	}
}

var errExporter = errors.New("no http or https URL")

// exporterAddress is the host and port of an OTLP endpoint. Errors: that it is no http or https URL.
func exporterAddress(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", errExporter
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
