package workers

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// oomWatch counts the kernel's out-of-memory kills in the core's cgroup (version 2), so that a SIGKILL from nowhere
// gets its cause. Each kill explains one death. Where nothing can be read it explains none.
type oomWatch struct {
	mu        sync.Mutex
	path      string
	explained uint64
}

func newOOMWatch() *oomWatch {
	w := &oomWatch{path: memoryEvents()}
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

func memoryEvents() string {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join("/sys/fs/cgroup", group, "memory.events")
		}
	}
	return ""
}

func readOOMKills(path string) (uint64, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(raw) {
		if count, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "oom_kill "); ok {
			n, err := strconv.ParseUint(count, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
