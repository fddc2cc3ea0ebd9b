package sched

import "slices"

// Labels are what a machine is marked with, by key.
type Labels map[string]string

// Match asks one thing of a machine's labels.
type Match struct {
	Key string
	// Values the label may have; with Not, values it may not have. None at all: that there is such a label, or with Not that
	// there is none. A label that is not there has no value, so it satisfies a Not.
	Values []string
	Not    bool
}

// Selector asks for all its matches.
type Selector []Match

// Fits says whether the labels are what the selector asks for.
func (s Selector) Fits(labels Labels) bool {
	for _, m := range s {
		value, has := labels[m.Key]
		if len(m.Values) > 0 {
			has = has && slices.Contains(m.Values, value)
		}
		if has == m.Not {
			return false
		}
	}
	return true
}

// AnyFits says whether one of the selectors fits; none asked for is no restriction.
func AnyFits(selectors []Selector, labels Labels) bool {
	return len(selectors) == 0 || slices.ContainsFunc(selectors, func(s Selector) bool { return s.Fits(labels) })
}
