package workers

import (
	"strconv"
	"strings"
	"testing"
)

// What the kernel tells of processes holds names that anybody chose: no name moves a field, and what cannot be read is nothing.
func FuzzProc(f *testing.F) {
	f.Add("mobula-zygote", 17, "0::/user.slice\n", []byte("oom 1\noom_kill 3\n"))
	f.Add("a) S 1 (b", 1, "4:memory:/a:b\n0::/c\n", []byte("oom_kill 18446744073709551616\n"))
	f.Add("x", 2, "0::/../../etc\n", []byte("oom_kill"))
	f.Add("\n) R 7", -3, "1:name=systemd:/\n:\n::", []byte("oom_kill -1\noom_kill 2"))
	f.Fuzz(func(t *testing.T, name string, parent int, cgroup string, counter []byte) {
		stat := "7 (" + name + ") S " + strconv.Itoa(parent) + " 7 7 0 -1"
		if got := parentIn([]byte(stat)); got != parent {
			t.Fatalf("%q: parent %d", stat, got)
		}
		parentIn([]byte(name)) // whatever it is
		path := oomCounter(cgroup)
		if path != "" && !strings.HasPrefix(path, "/sys/fs/cgroup/") {
			t.Fatalf("%q leads to %q", cgroup, path)
		}
		kills, ok := killsIn(counter)
		if !ok && kills != 0 && kills != 1<<64-1 { // ParseUint says its limit where the number is above
			t.Fatalf("%q: %d kills that were not read", counter, kills)
		}
	})
}

// Variables of a worker are pairs, each name once, whatever the driver gave.
func FuzzEnvironment(f *testing.F) {
	f.Add([]byte(`{"env":{"A":"$HOME/b","B":"${A}"}}`), "C=$A")
	f.Add([]byte(`{"env":{"":"x","=":"y"}}`), "A")
	f.Add([]byte(`{"env":null}`), "A=1")
	f.Add([]byte(`[]`), "")
	f.Fuzz(func(t *testing.T, raw []byte, extra string) {
		c := Config{Options: raw}
		env, err := c.environment([]string{extra})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "workers: ") {
				t.Fatal(err)
			}
			return
		}
		seen := map[string]bool{}
		for _, pair := range env {
			name, _, ok := strings.Cut(pair, "=")
			if !ok || seen[name] {
				t.Fatalf("%q, from %q and %q", pair, raw, extra)
			}
			seen[name] = true
		}
	})
}
