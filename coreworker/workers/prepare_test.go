package workers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
)

// prepare sets an environment up and waits for the answer; ready is what Prepare itself said.
func (s *session) prepare(text string) (ready bool, failure string) {
	s.Helper()
	done := make(chan string, 1)
	if s.Prepare(ids.JobID{}, text, func(failure string) { done <- failure }) {
		return true, ""
	}
	return false, wait(s.T, done, "answer of the helper")
}

// script is a program that stands in an interpreter's place.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func withCommand(command, more string) string {
	return fmt.Sprintf(`{"py_executable": %q%s}`, command, more)
}

func TestWhatNeedsNoHelperIsReadyAtOnce(t *testing.T) {
	s := newSession(t, "report")
	for _, text := range []string{"", "{}", `{"env_vars": {"A": "1"}}`, `{"working_dir": "local:///"}`, "["} {
		if ready, failure := s.prepare(text); !ready {
			t.Errorf("%s: not ready, %q", text, failure)
		}
	}
}

func TestAWorkerOfAnotherInterpreter(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, "report")
	text := withCommand(script(t, `COLOUR=wrapped exec "`+python+`" "$@"`), "")
	opts, err := ParseRuntimeEnv(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := wait(t, s.spawn(opts).died, "refusal"); d.Err == nil || !strings.Contains(d.Err.Error(), "not set up") {
		t.Errorf("spawned before it was set up: %v", d)
	}
	if ready, failure := s.prepare(text); ready || failure != "" {
		t.Fatalf("ready %v, %q", ready, failure)
	}
	if ready, _ := s.prepare(text); !ready {
		t.Error("it is set up a second time")
	}
	l := s.spawn(opts)
	if d := wait(t, l.died, "death"); d.ExitCode != 7 {
		t.Errorf("death: %v\n%s", d, strings.Join(d.StderrTail, "\n"))
	}
	s.Close(0)
	if !strings.Contains(s.output(l.id), `"colour": "wrapped"`) {
		t.Errorf("not by the script: %q", s.output(l.id))
	}
}

func TestASetupThatFailsSaysWhy(t *testing.T) {
	s := newSession(t, "report")
	for command, want := range map[string]string{
		script(t, "echo broken >&2; exit 1"): "broken",
		"/none/such":                         "no program",
	} {
		if ready, failure := s.prepare(withCommand(command, "")); ready || !strings.Contains(failure, want) {
			t.Errorf("%s: ready %v, %q", command, ready, failure)
		}
	}
}

func TestASetupIsEndedWithItsChildren(t *testing.T) {
	s := newSession(t, "report")
	pid := filepath.Join(t.TempDir(), "pid")
	slow := script(t, "echo $$ > "+pid+"; exec sleep 600")
	ready, failure := s.prepare(withCommand(slow, `, "config": {"setup_timeout_seconds": 1}`))
	if ready || !strings.Contains(failure, "longer than 1s") {
		t.Errorf("ready %v, %q", ready, failure)
	}
	if raw, err := os.ReadFile(pid); err == nil {
		s.await("the end of its child", func() bool {
			_, err := os.Stat("/proc/" + strings.TrimSpace(string(raw)) + "/environ")
			return err != nil
		})
	}
}

func TestClosingEndsASetup(t *testing.T) {
	s := newSession(t, "report")
	begun := filepath.Join(t.TempDir(), "begun")
	done := make(chan string, 1)
	s.Prepare(ids.JobID{}, withCommand(script(t, "touch "+begun+"; exec sleep 600"), ""), func(failure string) { done <- failure })
	s.await("the beginning", func() bool { _, err := os.Stat(begun); return err == nil })
	s.Close(100 * time.Millisecond)
	if failure := wait(t, done, "answer"); failure != ErrClosed.Error() {
		t.Errorf("%q", failure)
	}
	if s.Prepare(ids.JobID{}, withCommand("/none/such", ""), func(failure string) { done <- failure }) || wait(t, done, "answer") != ErrClosed.Error() {
		t.Error("a closed pool sets up environments")
	}
}
