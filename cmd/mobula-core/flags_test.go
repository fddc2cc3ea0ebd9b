package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func runCore(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestHelpAndVersion(t *testing.T) {
	if code, out, _ := runCore("--help"); code != 0 || !strings.Contains(out, "--session-dir") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := runCore("--version"); code != 0 || !strings.HasPrefix(out, "mobula-core ") {
		t.Errorf("%d %q", code, out)
	}
}

// tokenFD makes a pipe with n bytes in it.
func tokenFD(t *testing.T, n int) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, n))
	w.Close()
	fd, err := unix.Dup(int(r.Fd())) // the core closes it
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return "--token-fd=" + strconv.Itoa(fd)
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir() // mode 0777 less umask: not private
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("[1]"), 0o600); err != nil {
		t.Fatal(err)
	}
	session := "--session-dir=" + dir
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "unknown flag", []string{"--nonsense"}},
		{exitUsage, "unexpected argument", []string{session, "x"}},
		{exitUsage, "--session-dir is needed", nil},
		{exitUsage, "absolute", []string{"--session-dir=here", "--token-fd=9"}},
		{exitUsage, "--token-fd is needed", []string{session}},
		{exitUsage, "--arena-bytes", []string{session, "--token-fd=9", "--arena-fd=8"}},
		{exitInherited, "bad file descriptor", []string{session, "--token-fd=999"}},
		{exitInherited, "gave 31 bytes", []string{session, tokenFD(t, 31)}},
		{exitInherited, "gave 33 bytes", []string{session, tokenFD(t, 40)}},
		{exitInherited, "--resources", []string{session, tokenFD(t, 32), "--resources=[]"}},
		{exitInherited, "CPU is negative", []string{session, tokenFD(t, 32), `--resources={"CPU":-1}`}},
		{exitInherited, "--worker-config", []string{session, tokenFD(t, 32), "--worker-config=" + config}},
		{exitInherited, "--worker-config", []string{session, tokenFD(t, 32), "--worker-config=fd:x"}},
		{exitFolder, "lets others in", []string{session, tokenFD(t, 32)}},
	} {
		code, out, errs := runCore(c.args...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want %d, %q", c.args, code, out, errs, c.code, c.want)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a folder that was refused was touched: %v", err)
	}
}
