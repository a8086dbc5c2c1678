package auth

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"shop/internal/platform/clock"
)

// maxKeyBytes is the longest text of keys that is read.
const maxKeyBytes = 1 << 20

// fileLook is how often a file that is in use is looked at.
const fileLook = 5 * time.Second

// keyFile are the keys in a local file. They are read again when it has changed: a key that was added is found with the first token that names it, one that
// was removed is forgotten within fileLook.
type keyFile struct {
	path  string
	log   *zap.Logger
	clock clock.Clock

	mu     sync.Mutex
	set    *keySet
	stamp  stamp
	looked time.Time
}

// stamp is by what a change of a file is seen.
type stamp struct {
	modified time.Time
	size     int64
}

// KeyFile reads an issuer's public keys from a file: a JWK set, or PEM. A file that cannot be read later on, or makes no sense, is logged, and the keys stay what they
// were. Errors: that it cannot be read now, or has no key that can be used.
func KeyFile(path string, c clock.Clock, log *zap.Logger) (KeySource, error) {
	f := &keyFile{path: path, log: log, clock: c}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *keyFile) keys(context.Context) (*keySet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.clock.Now().Sub(f.looked); since < 0 || since >= fileLook { // a clock may be set back
		f.look()
	}
	return f.set, nil
}

func (f *keyFile) renewed(context.Context) (*keySet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look()
	return f.set, nil
}

// look reads the file again if it has changed.
func (f *keyFile) look() {
	f.looked = f.clock.Now()
	info, err := os.Stat(f.path) //nolint:gosec // the operator's own path
	if err == nil && f.stamp == stampOf(info) {
		return
	}
	if err == nil {
		err = f.read()
	}
	if err != nil {
		f.log.Warn("the keys of tokens cannot be read again; those that are known stay", zap.Error(err))
	}
}

func (f *keyFile) read() error {
	file, err := os.Open(f.path) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.stamp = stampOf(info) // of a file that makes no sense too: it is read again when it changes
	data, err := io.ReadAll(io.LimitReader(file, maxKeyBytes+1))
	if err != nil {
		return err
	}
	if len(data) > maxKeyBytes {
		return fmt.Errorf("%s is longer than 1 MiB", f.path)
	}
	set, err := parseKeys(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if f.set == nil || f.set.fingerprint != set.fingerprint {
		f.set = set
	}
	return nil
}

func stampOf(info os.FileInfo) stamp { return stamp{info.ModTime(), info.Size()} }
