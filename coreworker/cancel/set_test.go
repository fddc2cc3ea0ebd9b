package cancel_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/cancel"
	"github.com/mobula/mobula/coreworker/ids"
)

// TestSetIsASet compares it with a plain map over random histories.
func TestSetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s cancel.Set
		model := map[ids.TaskID]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			id := ids.TaskID{rapid.Byte().Draw(t, "id") % 8}
			switch rapid.IntRange(0, 2).Draw(t, "op") {
			case 0:
				if s.Add(id) == model[id] {
					t.Fatalf("Add(%v) does not tell new from known", id)
				}
				model[id] = true
			case 1:
				s.Remove(id)
				delete(model, id)
			default:
				if s.Has(id) != model[id] {
					t.Fatalf("Has(%v) is %t", id, !model[id])
				}
			}
			if s.Len() != len(model) {
				t.Fatalf("%d ids, want %d", s.Len(), len(model))
			}
		}
	})
}
