package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux of today.
const tick = 10 * time.Millisecond

// processStat is what /proc says of one process.
type processStat struct {
	parent int
	cpu    time.Duration // its own, and that of its children that have ended and were waited for
}

// statOf reads a process's times. ok is false when it is gone.
func statOf(pid int) (s processStat, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, false
	}
	return parseStat(b)
}

// parseStat reads a line of /proc/PID/stat, see proc_pid_stat(5). The name in it may hold spaces and parentheses.
func parseStat(line []byte) (s processStat, ok bool) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return s, false
	}
	fields := strings.Fields(string(line[end+1:])) // from the third on
	if len(fields) < 15 {
		return s, false
	}
	s.parent, _ = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return s, false
		}
		s.cpu += time.Duration(n) * tick
	}
	return s, true
}

// tree is a process and all its living descendants.
func tree(root int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, ok := statOf(pid); ok {
				children[s.parent] = append(children[s.parent], pid)
			}
		}
	}
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// treeCPU is what a process, its descendants and those of them that have ended have used.
func treeCPU(root int) time.Duration {
	var sum time.Duration
	for _, pid := range tree(root) {
		if s, ok := statOf(pid); ok {
			sum += s.cpu
		}
	}
	return sum
}

// treePSS is the memory of a process tree in MiB, pages that several share counted once.
func treePSS(root int) float64 {
	var sum float64
	for _, pid := range tree(root) {
		sum += field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	}
	return sum / 1024
}

// residentNow and residentPeak are a process's resident memory in MiB, now and at most since it began.
func residentNow(pid int) float64 { return field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") / 1024 }
func residentPeak(pid int) float64 {
	return field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:") / 1024
}

// writtenBytes is what a process caused to be written to a disk.
func writtenBytes(pid int) float64 { return field(fmt.Sprintf("/proc/%d/io", pid), "write_bytes:") }

// field reads the number behind a name in a file of /proc; 0 when it is not there.
func field(file, name string) float64 {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n
		}
	}
	return 0
}

// machine is how all processors together spent their time since the machine started.
type machine struct{ busy, idle, wait, stolen time.Duration }

func readMachine() machine {
	b, _ := os.ReadFile("/proc/stat")
	return parseMachine(string(b))
}

// parseMachine reads /proc/stat, see proc_stat(5).
func parseMachine(text string) machine {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	at := func(i int) time.Duration {
		if i >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * tick
	}
	return machine{busy: at(1) + at(2) + at(3) + at(6) + at(7), idle: at(4), wait: at(5), stolen: at(8)}
}

func (m machine) total() time.Duration { return m.busy + m.idle + m.wait + m.stolen }

// meter accounts for the processes that are measured, by name. The generator is this process.
type meter map[string]int

// reading is the state of all clocks at one moment.
type reading struct {
	at        time.Time
	machine   machine
	cpu       map[string]time.Duration
	generator time.Duration
}

func (m meter) read() reading {
	r := reading{cpu: map[string]time.Duration{}, machine: readMachine()}
	for name, pid := range m {
		r.cpu[name] = treeCPU(pid)
	}
	own, _ := statOf(os.Getpid())
	r.generator = own.cpu
	r.at = time.Now()
	return r
}

// usage is what passed between two readings.
type usage struct {
	wall      time.Duration
	cpu       map[string]time.Duration
	generator time.Duration

	// of the whole machine, in percent: used by neither what is measured nor the generator; taken by the hypervisor; waiting for disks
	foreign, stolen, wait float64
}

func between(a, b reading) usage {
	u := usage{wall: b.at.Sub(a.at), cpu: map[string]time.Duration{}, generator: b.generator - a.generator}
	known := u.generator
	for name, cpu := range b.cpu {
		u.cpu[name] = cpu - a.cpu[name]
		known += u.cpu[name]
	}
	if total := float64(b.machine.total() - a.machine.total()); total > 0 {
		u.foreign = max(0, 100*float64(b.machine.busy-a.machine.busy-known)/total)
		u.stolen = 100 * float64(b.machine.stolen-a.machine.stolen) / total
		u.wait = 100 * float64(b.machine.wait-a.machine.wait) / total
	}
	return u
}
