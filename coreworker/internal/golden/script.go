package golden

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"
)

// Verb does one line of a script to the state, and tells what happened, one event a line. An error is told too, as
// "error: …": refusals are behavior, so scripts hold them.
type Verb[E any] func(env E, call *Call) (string, error)

// Script is what a folder of scripts runs against.
type Script[E any] struct {
	// New makes the state that one file runs on; it may use t.Cleanup.
	New func(t *testing.T) E
	// Verbs by name.
	Verbs map[string]Verb[E]
	// Check looks at the invariants after every verb; nil if there are none.
	Check func(env E) error
	// Show rewrites every answer, such as Names.Show; nil leaves them as they are.
	Show func(env E, answer string) string
}

// Run runs every *.txt file under dir as a subtest, in a time of its own (testing/synctest): it stands still but where a
// verb sleeps, so a slow machine answers as a fast one.
func (s Script[E]) Run(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("golden: no scripts in %s (%v)", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			if err := purpose(file); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				env := s.New(t)
				datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
					t.Helper()
					answer, err := s.step(env, newCall(d))
					if err != nil {
						t.Fatalf("%s: %s: %v", d.Pos, d.Cmd, err)
					}
					return answer
				})
			})
		})
	}
}

// Do runs one line that a program made, such as a simulation: what it did can be kept as a script. The error is a mistake
// in the line or a broken invariant, never an answer.
func (s Script[E]) Do(env E, line string) (string, error) {
	d := &datadriven.TestData{}
	for i, field := range strings.Fields(line) {
		key, val, valued := strings.Cut(field, "=")
		switch {
		case i == 0:
			d.Cmd = field
		case valued:
			d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: key, Vals: []string{val}})
		default:
			d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: key})
		}
	}
	return s.step(env, newCall(d))
}

// step runs one verb. Its error is a mistake in the script or a broken invariant, never an answer.
func (s Script[E]) step(env E, call *Call) (string, error) {
	verb := s.Verbs[call.Verb]
	if verb == nil {
		return "", fmt.Errorf("unknown verb; there are %s", strings.Join(slices.Sorted(maps.Keys(s.Verbs)), ", "))
	}
	answer, refusal := verb(env, call)
	if err := call.mistake(); err != nil {
		return "", err
	}
	if refusal != nil {
		answer = join(answer, "error: "+refusal.Error())
	}
	if s.Check != nil {
		if err := s.Check(env); err != nil {
			return "", fmt.Errorf("broken invariant: %w\nafter answering:\n%s", err, answer)
		}
	}
	if s.Show != nil {
		answer = s.Show(env, answer)
	}
	if answer == "" {
		answer = "ok"
	}
	return join(answer, ""), nil
}

// join puts each part on lines of its own.
func join(a, b string) string {
	if a != "" && !strings.HasSuffix(a, "\n") {
		a += "\n"
	}
	return a + b
}

// purpose holds a script to its first line: a comment with a sentence.
func purpose(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("golden: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	line := bufio.NewScanner(f)
	if !line.Scan() || !strings.HasPrefix(line.Text(), "# ") || len(strings.Fields(line.Text())) < 4 {
		return fmt.Errorf("golden: %s: the first line says what the script ensures: # and a sentence", file)
	}
	return nil
}
