package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errLocked: another process holds the lock.
var errLocked = errors.New("locked")

// dirLock keeps other shops out of a data directory: SQLite would share it, but what is in memory (leadership, prices, messages on their way) it would not.
// The operating system gives it up when the process dies, however it dies.
type dirLock struct{ file *os.File }

// lockDir makes the directory and takes its lock. Errors: that another shop has it, and which; with exitConfiguration, that it cannot be used.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, configError("the data directory: %w", err)
	}
	name := filepath.Join(dir, "shop.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, configError("the data directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only to be helpful
		_ = f.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("another shop%s is using the data directory %s; stop it, or give this one a directory of its own (SHOP_DATA)", processName(holder), dir)
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only to be helpful
	}
	return &dirLock{f}, nil
}

func processName(holder []byte) string {
	if pid, err := strconv.Atoi(strings.TrimSpace(string(holder))); err == nil {
		return fmt.Sprintf(" (process %d)", pid)
	}
	return ""
}

// dirLocks are those of several directories.
type dirLocks []*dirLock

// lockAll takes the locks of all directories. It returns those that it got, also with an error. Errors: those of lockDir.
func lockAll(dirs []string) (dirLocks, error) {
	var locks dirLocks
	for _, dir := range dirs {
		l, err := lockDir(dir)
		if err != nil {
			return locks, err
		}
		locks = append(locks, l)
	}
	return locks, nil
}

// release lets others in.
func (locks dirLocks) release() {
	for _, l := range locks {
		_ = l.file.Close()
	}
}
