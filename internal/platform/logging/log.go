package logging

import (
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options of a log.
type Options struct {
	Output  io.Writer
	Level   zapcore.Level
	Limit   int         // lines a second of the same level and message, at debug and info; 10 times as many above; 0: no limit. See flood
	Secrets []string    // that the process knows: passwords, tokens. They appear in no line
	Fields  []zap.Field // of each line
}

// Log is the log of a process.
type Log struct {
	*zap.Logger
	Level *Level

	flood *flood
}

// New makes a log. Close it at the end.
func New(o Options) *Log {
	out := zapcore.Lock(zapcore.AddSync(o.Output))
	hide := newRedactor(o.Secrets)
	all := func(enabled zapcore.LevelEnabler) zapcore.Core {
		return &redactingCore{zapcore.NewCore(zapcore.NewJSONEncoder(encoding), out, enabled), hide}
	}
	notice := zap.New(all(zapcore.DebugLevel)).With(o.Fields...)
	l := &Log{Level: newLevel(o.Level, notice), flood: newFlood(notice, hide)}
	core := all(l.Level.atomic)
	if o.Limit > 0 {
		core = l.flood.limit(core, o.Limit)
	}
	l.Logger = zap.New(core).With(o.Fields...)
	return l
}

// Close tells what was left out and not told yet. What is logged afterwards is still written.
func (l *Log) Close() {
	l.Level.stop()
	l.flood.tell()
}

// Metrics are how many lines were left out, by level.
func (l *Log) Metrics() prometheus.Collector { return l.flood.counts }

// encoding has the names of OpenTelemetry's logs where it has one.
var encoding = zapcore.EncoderConfig{
	TimeKey:    "ts",
	LevelKey:   "level",
	MessageKey: "msg",
	NameKey:    "logger",
	EncodeTime: func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
		enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
	},
	EncodeLevel:    zapcore.LowercaseLevelEncoder,
	EncodeDuration: zapcore.SecondsDurationEncoder,
}
