package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// How much space a data directory should have, in bytes: below the first a shop may stop any moment, below the second soon.
const (
	spaceNeeded = 64 << 20
	spaceWanted = 1 << 30
)

// dataDirectories are those that a shop of these settings writes to: of its SQLite databases, and of the development key.
func dataDirectories(cfg config) []string {
	dirs := sqliteDirectories(cfg)
	if cfg.issuer == nil {
		dirs = append(dirs, filepath.Clean(cfg.data))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// examineDirectory looks whether there is a directory that can be written to, with space left, and who uses it.
func (d *doctor) examineDirectory(c *chart, dir string) {
	const check = "data"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.warn(check, "shop serve makes it, or set SHOP_DATA to where your data is", "there is no %s: no shop has run with these settings", dir)
		return
	case err != nil:
		c.fail(check, exitConfiguration, "set SHOP_DATA to a directory: "+settingsPage, "%s", err)
		return
	case !info.IsDir():
		c.fail(check, exitConfiguration, "set SHOP_DATA to a directory: "+settingsPage, "%s is no directory", dir)
		return
	}
	if err := tryWriting(dir); err != nil {
		c.fail(check, exitFailed, "free space on its disk, or give this user the right to write there", "nothing can be written to %s: %s", dir, plainly(err))
		return
	}
	held := d.holder(dir)
	switch free, known := freeSpace(dir); {
	case known && free < spaceNeeded:
		c.fail(check, exitFailed, "free space on its disk: a shop that cannot write takes no orders", "%s has %d MiB left%s", dir, free>>20, held)
	case known && free < spaceWanted:
		c.warn(check, "free space on its disk", "%s has %d MiB left%s", dir, free>>20, held)
	case known:
		c.ok(check, "%s can be written to, %d GiB are left%s", dir, free>>30, held)
	default:
		c.ok(check, "%s can be written to%s", dir, held)
	}
	d.missingFiles(c, dir)
}

// tryWriting writes a small file, so that a directory that only looks fine is found out, and removes it.
func tryWriting(dir string) (err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer func() {
		add(&err, f.Close())
		add(&err, os.Remove(f.Name()))
	}()
	if _, err := f.Write(make([]byte, 16<<10)); err != nil {
		return err
	}
	return f.Sync()
}

// holder says which process uses the directory. It is asked for by its number, since trying the lock would keep a shop out that starts at this moment.
func (d *doctor) holder(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "shop.lock"))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid == os.Getpid() || !alive(pid) {
		return "; no process uses it"
	}
	return "; process " + strconv.Itoa(pid) + " uses it"
}

// missingFiles tells of databases that a directory with others lacks.
func (d *doctor) missingFiles(c *chart, dir string) {
	there := 0
	var missing []string
	for _, spec := range hostedSpecs(d.cfg.hosted) {
		for _, name := range spec.databaseNames() {
			file := sqliteFile(d.cfg, name)
			switch {
			case file == "" || filepath.Dir(file) != dir:
			case exists(file):
				there++
			default:
				missing = append(missing, name)
			}
		}
	}
	switch {
	case len(missing) > 0 && there == 0:
		c.warn("data", "shop serve makes them", "%s has no databases yet: no shop has run with these settings", dir)
	case len(missing) > 0:
		for _, name := range missing {
			c.fail(name+".database", exitFailed, "restore it from the backup of the others, or let shop serve make an empty one",
				"%s is missing, although the databases of other contexts are there", sqliteFile(d.cfg, name))
		}
	}
}
