package sched_test

import (
	"testing"

	"github.com/mobula/mobula/coreworker/sched"
)

func TestSelectors(t *testing.T) {
	labels := sched.Labels{"zone": "a", "empty": ""}
	for _, c := range []struct {
		match sched.Match
		fits  bool
	}{
		{sched.Match{Key: "zone", Values: []string{"a"}}, true},
		{sched.Match{Key: "zone", Values: []string{"b", "a"}}, true},
		{sched.Match{Key: "zone", Values: []string{"b"}}, false},
		{sched.Match{Key: "zone", Values: []string{"b"}, Not: true}, true},
		{sched.Match{Key: "zone", Values: []string{"a"}, Not: true}, false},
		{sched.Match{Key: "zone"}, true},
		{sched.Match{Key: "zone", Not: true}, false},
		{sched.Match{Key: "nope"}, false},
		{sched.Match{Key: "nope", Not: true}, true},
		{sched.Match{Key: "nope", Values: []string{"a"}}, false},
		{sched.Match{Key: "nope", Values: []string{"a"}, Not: true}, true},
		{sched.Match{Key: "nope", Values: []string{""}}, false}, // a label that is not there has no value, not an empty one
		{sched.Match{Key: "empty", Values: []string{""}}, true},
	} {
		if got := (sched.Selector{c.match}).Fits(labels); got != c.fits {
			t.Errorf("%+v: %t", c.match, got)
		}
	}
	a, b := sched.Selector{{Key: "zone", Values: []string{"a"}}}, sched.Selector{{Key: "zone", Values: []string{"b"}}}
	if !sched.AnyFits(nil, labels) || !sched.AnyFits([]sched.Selector{b, a}, labels) || sched.AnyFits([]sched.Selector{b}, labels) {
		t.Error("one of several, or none asked for")
	}
	if !(sched.Selector{}).Fits(nil) || append(a, b...).Fits(labels) {
		t.Error("a selector asks for all its matches")
	}
}
