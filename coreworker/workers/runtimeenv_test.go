package workers

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseRuntimeEnv(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                      nil,
		"{}":                                    nil,
		`{"env_vars": {"B": "2", "A": "x=y"}}`:  {"A=x=y", "B=2"},
		`{"env_vars": {"PYTHONHASHSEED": "0"}}`: {"PYTHONHASHSEED=0"},
	} {
		opts, err := ParseRuntimeEnv(text)
		if err != nil || !slices.Equal(opts.Env, want) {
			t.Errorf("%s: %v, %v", text, opts, err)
		}
	}
	for text, complaint := range map[string]string{
		"[":                       "runtime_env",
		`{"env_vars": {"A": 1}}`:  "env_vars",
		`{"container": {"i": 1}}`: "container",
	} {
		if _, err := ParseRuntimeEnv(text); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseRuntimeEnvSaysWhoDoesWhat(t *testing.T) {
	const none = -1 * time.Second
	for text, want := range map[string]struct {
		passed  bool
		timeout time.Duration // none: no helper is needed
	}{
		`{"env_vars": {"A": "1"}}`:                                              {false, none},
		`{"config": {"setup_timeout_seconds": 5}}`:                              {false, none},
		`{"working_dir": "local:///x", "py_modules": []}`:                       {true, none},
		`{"worker_process_setup_hook": "a.b"}`:                                  {true, none},
		`{"pip": {"packages": ["x"]}}`:                                          {true, 600 * time.Second},
		`{"config": {"setup_timeout_seconds": 5}, "uv": {}}`:                    {true, 5 * time.Second},
		`{"config": {"setup_timeout_seconds": -1}, "py_executable": "python3"}`: {true, 0},
	} {
		opts, err := ParseRuntimeEnv(text)
		timeout := none
		if opts.setup != nil {
			timeout = opts.setup.timeout
		}
		if err != nil || (opts.RuntimeEnv == text) != want.passed || timeout != want.timeout || opts.mustExec() != (timeout != none) {
			t.Errorf("%s: %+v, %v, %v", text, opts, timeout, err)
		}
	}
}

func TestVariablesMayReferToOthers(t *testing.T) {
	base := []string{"PATH=/bin", "HOME=/root"}
	got := expand(base, []string{"PATH=${PATH}:/mine", "A=$HOME/x", "B=$NONE ${NONE} $ 5$", "C=$A"})
	want := []string{"PATH=/bin:/mine", "A=/root/x", "B=$NONE ${NONE} $ 5$", "C=$A"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
