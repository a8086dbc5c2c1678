package kafkabus

import (
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger lets Watermill write to our log: errors as warnings, since it tries again, and everything else as debugging, since it tells each step.
type logger struct{ log *zap.Logger }

// newLogger lets the same text through once in ten seconds: a lost connection is reported by each partition.
func newLogger(log *zap.Logger) logger {
	return logger{log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, 10*time.Second, 1, 0)
	}))}
}

func (l logger) Error(msg string, err error, fields watermill.LogFields) {
	l.log.Warn(msg, append(zapFields(fields), zap.Error(err))...)
}

func (l logger) Info(msg string, fields watermill.LogFields) { l.Debug(msg, fields) }

func (l logger) Debug(msg string, fields watermill.LogFields) {
	if entry := l.log.Check(zap.DebugLevel, msg); entry != nil {
		entry.Write(zapFields(fields)...)
	}
}

// Trace, which Watermill writes twice a message, is dropped.
func (l logger) Trace(string, watermill.LogFields) {}

func (l logger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return logger{l.log.With(zapFields(fields)...)}
}

func zapFields(fields watermill.LogFields) []zap.Field {
	all := make([]zap.Field, 0, len(fields)+1)
	for name, value := range fields {
		all = append(all, zap.Any(name, value))
	}
	return all
}
