package coreworker

import (
	"testing"

	"github.com/mobula/mobula/coreworker/internal/golden"
)

// script is what the golden scripts of testdata and the simulation speak: verbs_test.go has the verbs.
var script = golden.Script[*world]{
	New:   newWorld,
	Verbs: verbs,
	Check: (*world).check,
}

// TestScripts plays the golden scripts of testdata: one behavior a file, both orders of every race.
func TestScripts(t *testing.T) { script.Run(t, "testdata") }
