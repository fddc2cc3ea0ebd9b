package workers

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// oomWatch counts the kernel's out-of-memory kills in the core's cgroup, of either version, so that a SIGKILL from
// nowhere gets its cause. Each kill explains one death. Where nothing can be read it explains none.
type oomWatch struct {
	mu        sync.Mutex
	path      string
	explained uint64
}

func newOOMWatch() *oomWatch {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return &oomWatch{}
	}
	w := &oomWatch{path: oomCounter(string(raw))}
	w.explained, _ = readOOMKills(w.path)
	return w
}

// explains says whether a kill happened that no earlier death has used up.
func (w *oomWatch) explains() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kills, ok := readOOMKills(w.path)
	if !ok || kills <= w.explained {
		return false
	}
	w.explained++
	return true
}

// oomCounter is the file with the count for what /proc/self/cgroup names. A machine with both versions has its memory
// controller in one of them: where version 1 has it, version 2's group, which is listed too, counts no memory.
func oomCounter(cgroup string) string {
	counter := ""
	for line := range strings.Lines(cgroup) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case slices.Contains(strings.Split(controllers, ","), "memory"):
			return inGroup("/sys/fs/cgroup/memory", group, "memory.oom_control")
		case controllers == "":
			counter = inGroup("/sys/fs/cgroup", group, "memory.events")
		}
	}
	return counter
}

// inGroup is a file of a group, or "" where the group is out of sight: the kernel writes /.. for what lies above the root of a
// cgroup namespace, and joined that would be a file of something else.
func inGroup(root, group, file string) string {
	if slices.Contains(strings.Split(group, "/"), "..") {
		return ""
	}
	return filepath.Join(root, group, file)
}

func readOOMKills(path string) (uint64, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	return killsIn(raw)
}

func killsIn(counter []byte) (uint64, bool) {
	for line := range bytes.Lines(counter) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "oom_kill "); ok {
			n, err := strconv.ParseUint(count, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
