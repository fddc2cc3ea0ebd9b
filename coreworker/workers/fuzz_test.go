package workers

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What a worker prints is any bytes at all, and its reads are cut anywhere: the lines do not depend on the cut, what is held
// back is bounded, and nothing but marks is taken out.
func FuzzLabeled(f *testing.F) {
	f.Add([]byte(label("f", "1\n")+label("", "")+"child\n"), 3)
	f.Add([]byte("\x1emob"+label("f", "1\n")+"\x1emobu"), 1)
	f.Add([]byte(markBegin+strings.Repeat("x", maxMark)+"\n"), 100)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		size = max(1, min(size, len(in)))
		if whole, cut := labels(t, in, len(in)+1), labels(t, in, size); whole != cut {
			t.Fatalf("whole %q, in pieces of %d %q", whole, size, cut)
		}
		if !bytes.Contains(in, []byte(markBegin)) {
			text := strings.TrimSuffix(strings.Join(strings.Split(string(in), "\n"), "|"), "|")
			if got := strings.TrimSuffix(labels(t, in, size), "|"); strings.ReplaceAll(got, ":", "") != strings.ReplaceAll(text, ":", "") {
				t.Fatalf("%q became %q", text, got)
			}
		}
	})
}

// labels writes everything in pieces and gives the lines, each after the label it has.
func labels(t *testing.T, in []byte, size int) string {
	var got strings.Builder
	l := labeled{lines: lines{add: func(label string, text []byte) {
		for line := range strings.SplitSeq(string(text), "\n") {
			got.WriteString(label + ":" + line + "|")
		}
	}}}
	for ; len(in) > 0; in = in[min(size, len(in)):] {
		l.write(bytes.Clone(in[:min(size, len(in))]))
		if len(l.held) > len(markBegin)+maxMark {
			t.Fatalf("%d bytes are held back", len(l.held))
		}
	}
	l.flush()
	return got.String()
}

// A runtime environment that is taken has known keys only, and its variables are pairs.
func FuzzRuntimeEnv(f *testing.F) {
	for _, text := range []string{"", `{}`, `{"env_vars":{"A":"b"}}`, `{"pip":["x"],"config":{"setup_timeout_seconds":1e300}}`,
		`{"working_dir":"/x","config":{"setup_timeout_seconds":-1}}`, `{"env_vars":[1]}`, `null`, `{"config":null}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opts, err := ParseRuntimeEnv(text)
		if err != nil {
			return
		}
		for _, pair := range opts.Env {
			if !strings.Contains(pair, "=") {
				t.Fatalf("%q is no variable", pair)
			}
		}
		if opts.RuntimeEnv != "" && opts.RuntimeEnv != text {
			t.Fatalf("%q is handed on as %q", text, opts.RuntimeEnv)
		}
		if opts.setup != nil && opts.setup.timeout < 0 {
			t.Fatalf("%q: a limit of %v", text, opts.setup.timeout)
		}
	})
}

// What the zygote says of births: an id that is taken is whole.
func FuzzZygoteAnswer(f *testing.F) {
	f.Add([]byte(`{"born":"` + strings.Repeat("ab", 28) + `","pid":7}`))
	f.Add([]byte(`{"failed":"zz","why":"x"}`))
	f.Add([]byte(`{"ready":"1.0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a answer
		if json.Unmarshal(data, &a) != nil {
			return
		}
		text := a.Born + a.Refused + a.Failed
		if id, err := parseID(text); err == nil && id.String() != strings.ToLower(text) {
			t.Fatalf("%q became %s", text, id)
		}
	})
}

// A limit in seconds is never so large that it turns into a negative one.
func TestSetupTimeoutsDoNotOverflow(t *testing.T) {
	for _, text := range []string{"1e10", "1e300"} {
		got, err := setupTimeout([]byte(`{"setup_timeout_seconds":` + text + `}`))
		if err != nil || got < time.Hour {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
