package workers

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheCounterIsWhereTheMemoryControllerIs(t *testing.T) {
	for _, c := range []struct{ name, cgroup, want string }{
		{"version 2", "0::/user.slice/a\n", "/sys/fs/cgroup/user.slice/a/memory.events"},
		{"version 1", "5:devices:/\n4:memory:/a/b\n", "/sys/fs/cgroup/memory/a/b/memory.oom_control"},
		{"both, 1 has it", "4:memory:/a\n0::/b\n", "/sys/fs/cgroup/memory/a/memory.oom_control"},
		{"both, 2 has it", "3:cpu,cpuacct:/a\n1:name=systemd:/\n0::/b\n", "/sys/fs/cgroup/b/memory.events"},
		{"several in one", "3:cpu,memory:/a\n", "/sys/fs/cgroup/memory/a/memory.oom_control"},
		{"above the namespace", "0::/../a\n", ""},
		{"nothing", "", ""},
		{"no such line", "what\n1:\n", ""},
	} {
		if got := oomCounter(c.cgroup); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEachOOMKillExplainsOneDeath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.oom_control")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := &oomWatch{path: path, explained: 1}
	for _, step := range []struct {
		text string
		want []bool
	}{
		{"oom_kill_disable 7\nunder_oom 0\noom_kill 1\n", []bool{false}},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", []bool{true, true, false}},
		{"low 0\noom 9\noom_kill 4\n", []bool{true, false}},
		{"oom_kill much\n", []bool{false}},
	} {
		write(step.text)
		for i, want := range step.want {
			if got := w.explains(); got != want {
				t.Errorf("%q, %d: %v, want %v", step.text, i, got, want)
			}
		}
	}
}
