//go:build faults

package faults

import "testing"

func TestTheNthPassIsHit(t *testing.T) {
	p, err := parse(" spill.*:fail:2, to.reply:lose:1,")
	if err != nil {
		t.Fatal(err)
	}
	passes := []struct {
		point string
		known Action
		want  Action
	}{
		{"spill.write", Fail, None},      // the first
		{"spill.write", Delay, None},     // it does not know the action: no pass
		{"arena.reserve", Fail, None},    // another point
		{"spill.read", Fail, Fail},       // the second
		{"spill.read", Fail, None},       // it happens once
		{"to.reply", Lose | Delay, Lose}, //
		{"to.reply", Lose | Delay, None},
	}
	for i, pass := range passes {
		if got := p.hit(pass.point, pass.known); got != pass.want {
			t.Errorf("pass %d, %s: %v, want %v", i, pass.point, got, pass.want)
		}
	}
}

func TestAWrongSpecificationIsRefused(t *testing.T) {
	for _, text := range []string{"spill.write", "spill.write:fail", "spill.write:burn:1", "spill.write:fail:0", ":fail:1", "[:fail:1", "a:fail:x", "a:fail:1:2"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
