package sqldb_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

// smallDisk mounts a file system of some kilobytes, whose size can be changed.
func smallDisk(t *testing.T, kilobytes int) (dir string, resize func(kilobytes int)) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk")
	}
	dir = t.TempDir()
	mount := func(args ...string) error {
		out, err := exec.Command("mount", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("mount: %w: %s", err, out)
		}
		return nil
	}
	if err := mount("-t", "tmpfs", "-o", fmt.Sprintf("size=%dk", kilobytes), "tmpfs", dir); err != nil {
		t.Skipf("no small disk here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
	return dir, func(kilobytes int) {
		require.NoError(t, mount("-o", fmt.Sprintf("remount,size=%dk", kilobytes), dir))
	}
}

// F6
func TestAFullDiskIsUnavailableAndNeverAFalseSuccess(t *testing.T) {
	dir, resize := smallDisk(t, 1024)
	db := dbtest.Open(t, "platform", "sqlite:"+dir)
	withEffects(t, db)
	for size := 1024; size <= 4096; size += 1024 {
		resize(size)
		var acknowledged []string
		var err error
		for i := 0; err == nil; i++ {
			require.Less(t, i, 10_000, "the disk does not fill")
			key := fmt.Sprint(size, i, strings.Repeat("x", 2000))
			if err = db.Write(t.Context(), "", once(key)); err == nil {
				acknowledged = append(acknowledged, key)
			}
		}
		require.ErrorIs(t, err, sqldb.ErrUnavailable)
		require.NotEmpty(t, acknowledged, "it recovers when there is space again")
		for _, err := range together(t, db, once("x"+strings.Repeat("y", 20_000)), once("y"+strings.Repeat("z", 20_000))) {
			require.ErrorIs(t, err, sqldb.ErrUnavailable)
		}
		requireEachOnce(t, db, acknowledged)
	}
}
