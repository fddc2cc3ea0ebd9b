package workers

import (
	"bytes"
	"os"
	"strconv"
)

// children lists the child processes of this one, zombies included. It reads /proc/*/stat and not
// /proc/self/task/*/children, which kernels may be built without.
func children() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self := os.Getpid()
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parentOf(entry.Name()) == self {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf reads the fourth field of stat; the second, the name in parentheses, may hold anything.
func parentOf(pid string) int {
	raw, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}
