package workers

import (
	"slices"
	"strings"
	"testing"
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

func TestVariablesMayReferToOthers(t *testing.T) {
	base := []string{"PATH=/bin", "HOME=/root"}
	got := expand(base, []string{"PATH=${PATH}:/mine", "A=$HOME/x", "B=$NONE ${NONE} $ 5$", "C=$A"})
	want := []string{"PATH=/bin:/mine", "A=/root/x", "B=$NONE ${NONE} $ 5$", "C=$A"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
