package main

import (
	"io"
	"net/url"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"shop/internal/platform/logging"
)

// maxLogLimit bounds SHOP_LOG_LIMIT.
const maxLogLimit = 1_000_000

// newLog is the log of a command of these settings.
func newLog(w io.Writer, level zapcore.Level, cfg config) *logging.Log {
	return logging.New(logging.Options{
		Output: w, Level: level, Limit: cfg.logLimit, Secrets: cfg.secrets,
		Fields: []zap.Field{zap.String("service.name", cfg.service), zap.String("service.version", version)},
	})
}

// userInfo is that of a URL which url.Parse need not understand: Kafka's names several hosts.
var userInfo = regexp.MustCompile(`://([^/\s@]*)@`)

// secretsIn are the token and the passwords among the settings, as they were given and as they are meant.
func secretsIn(given map[string]string) []string {
	var secrets []string
	for name, value := range given {
		switch {
		case name == "SHOP_TOKEN":
			secrets = append(secrets, value)
		case strings.HasPrefix(name, "SHOP_") && strings.HasSuffix(name, "_URL"):
			for _, match := range userInfo.FindAllStringSubmatch(value, -1) {
				_, password, _ := strings.Cut(match[1], ":")
				secrets = append(secrets, password)
				if plain, err := url.PathUnescape(password); err == nil {
					secrets = append(secrets, plain)
				}
			}
		}
	}
	return secrets
}
