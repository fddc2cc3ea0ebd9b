package main

import (
	"io"
	"strings"
	"testing"
)

// Flags are refused in words or are sensible, whatever they are.
func FuzzFlags(f *testing.F) {
	f.Add("--session-dir=/x\n--token-fd=3\n--resources={\"CPU\": 1}")
	f.Add("--arena-fd=-1\n--arena-bytes=18446744073709551615")
	f.Add("--resources={\"CPU\": 1e999}")
	f.Fuzz(func(t *testing.T, lines string) {
		v, done, err := parseFlags(strings.Split(lines, "\n"), io.Discard)
		if err == nil && !done && (v.sessionDir == "" || v.tokenFD < 0) {
			t.Fatalf("%q were taken: %+v", lines, v)
		}
		if amounts, err := parseResources(v.resources); err == nil {
			for name, n := range amounts {
				if !(n >= 0) {
					t.Fatalf("%v of %q were taken", n, name)
				}
			}
		}
	})
}
