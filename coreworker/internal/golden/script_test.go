package golden

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// counts is a state machine small enough to test the harness with.
type counts map[string]int

var script = Script[counts]{
	New: func(*testing.T) counts { return counts{} },
	Verbs: map[string]Verb[counts]{
		"up": func(c counts, call *Call) (string, error) {
			name := call.Word()
			c[name] += call.Int("by", 1)
			return fmt.Sprintf("%s is %d", name, c[name]), nil
		},
		"down": func(c counts, call *Call) (string, error) {
			name, by := call.Word(), call.Int("by", 1)
			if by > c[name] {
				return "tried", errors.New("below zero")
			}
			c[name] -= by
			return strings.Join(call.Lines(), "\n"), nil
		},
		"show": func(c counts, call *Call) (string, error) {
			var b strings.Builder
			for _, name := range slices.Sorted(maps.Keys(c)) {
				fmt.Fprintf(&b, "%s=%d\n", name, c[name])
			}
			return b.String(), nil
		},
		"set": func(c counts, call *Call) (string, error) {
			c[call.Arg("name")] = call.Int("to", 0)
			call.List("tags")
			call.Flag("quietly")
			return "", nil
		},
	},
	Check: func(c counts) error {
		for name, n := range c {
			if n < 0 {
				return fmt.Errorf("%s is %d", name, n)
			}
		}
		return nil
	},
	Show: func(_ counts, answer string) string { return strings.ReplaceAll(answer, "a", "A") },
}

func TestScripts(t *testing.T) { script.Run(t, "testdata") }

func line(verb string, args ...string) *datadriven.TestData {
	d := &datadriven.TestData{Cmd: verb}
	for _, arg := range args {
		key, val, ok := strings.Cut(arg, "=")
		a := datadriven.CmdArg{Key: key}
		if ok {
			a.Vals = strings.Split(val, ",")
		}
		d.CmdArgs = append(d.CmdArgs, a)
	}
	return d
}

func TestMistakesInScripts(t *testing.T) {
	input := line("show")
	input.Input = "x\n"
	for _, c := range []struct {
		line *datadriven.TestData
		want string
	}{
		{line("sideways"), "unknown verb; there are down, set, show, up"},
		{line("up"), "one word more is needed"},
		{line("up", "a", "b"), "nobody asked for b"},
		{line("up", "a", "speed=2"), "nobody asked for speed="},
		{line("up", "a", "by=x"), "by=x is not a number"},
		{line("up", "a", "by=1,2"), "by= takes one value"},
		{line("set", "to=1"), "name= is needed"},
		{line("set", "name=a", "loudly"), "nobody asked for loudly"},
		{input, "nobody asked for input"},
		{line("set", "name=a", "to=-1"), "broken invariant: a is -1"},
	} {
		if answer, err := script.step(counts{}, newCall(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %q, %v; want %s", c.line, answer, err, c.want)
		}
	}
	if answer, err := script.Do(counts{}, "set name=a tags=x quietly"); answer != "ok\n" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestScriptsSayWhatTheyEnsure(t *testing.T) {
	if err := purpose("testdata/counts.txt"); err != nil {
		t.Error(err)
	}
	for _, file := range []string{"script_test.go", "missing"} {
		if purpose(file) == nil {
			t.Errorf("%s says what it ensures", file)
		}
	}
}

func TestNames(t *testing.T) {
	var n Names
	actor := n.Actor("a1")
	method := n.ActorTask("m1", actor)
	object, err := n.Object("t1.3")
	if err != nil || object.Task() != n.Task("t1") || object.Index() != 3 {
		t.Fatalf("%s, %v", object, err)
	}
	if plain, err := n.Object("t1"); err != nil || plain != n.Task("t1").Return(1) {
		t.Fatalf("%s, %v", plain, err)
	}
	if _, err := n.Object("t1.x"); err == nil {
		t.Error("t1.x is no object")
	}
	if n.Actor("x") == n.Actor("y") || n.Worker("x").String() == n.Function("x").String() {
		t.Error("two names, one id")
	}
	stranger := strings.Repeat("0a", 28)
	got := n.Show(fmt.Sprintf("%s %s %s %s %s %s %s", actor, method, method.Return(2), actor.CreationTask(), object, n.Worker("w1"), stranger))
	if want := "a1 m1 m1.2 a1.__init__ t1.3 w1 " + stranger; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
