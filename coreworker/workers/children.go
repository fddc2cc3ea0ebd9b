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

func parentOf(pid string) int {
	raw, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	return parentIn(raw)
}

// parentIn reads the fourth field of stat; the second, the name in parentheses, may hold anything. 0: it says none.
func parentIn(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}
