package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// createClusterConf tells Debian's package what to do when it is installed.
const createClusterConf = "/etc/postgresql-common/createcluster.conf"

func mayInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

// install installs the binaries alone. Left to itself the package would also create and start a cluster on port 5432,
// so the common package comes first, and its configuration is changed before the server arrives.
func install(conf string, progress io.Writer) error {
	if err := aptGet(progress, "update"); err != nil {
		return err
	}
	if err := aptGet(progress, "install", "-y", "--no-install-recommends", "postgresql-common"); err != nil {
		return err
	}
	if err := neverCreateMainCluster(conf); err != nil {
		return err
	}
	return aptGet(progress, "install", "-y", "--no-install-recommends", "postgresql")
}

func aptGet(progress io.Writer, args ...string) error {
	cmd := exec.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// neverCreateMainCluster appends to the file: the last setting of a name wins.
func neverCreateMainCluster(conf string) error {
	f, err := os.OpenFile(conf, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("\ncreate_main_cluster = false\n"); err != nil {
		_ = f.Close() // the write's error says more
		return err
	}
	return f.Close()
}
