//go:build faults

package faults

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
)

var names = map[string]Action{"fail": Fail, "lose": Lose, "delay": Delay, "double": Double}

// String is the action's name in a specification.
func (a Action) String() string {
	for name, one := range names {
		if one == a {
			return name
		}
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// fault is one entry: the nth time that a point of its pattern, which knows the action, is passed.
type fault struct {
	pattern string
	action  Action
	left    int // passes until it happens; 0 once it has
}

// plan is a specification with its counts.
type plan struct {
	mu     sync.Mutex
	faults []fault
}

// parse reads "point:action:nth,…"; a point may be a pattern like `spill.*`.
func parse(text string) (*plan, error) {
	p := &plan{}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		parts := strings.Split(entry, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is not point:action:nth", entry)
		}
		if _, err := path.Match(parts[0], ""); err != nil || parts[0] == "" {
			return nil, fmt.Errorf("%q: %q is no point", entry, parts[0])
		}
		action, known := names[parts[1]]
		if !known {
			return nil, fmt.Errorf("%q: %q is none of fail, lose, delay, double", entry, parts[1])
		}
		nth, err := strconv.Atoi(parts[2])
		if err != nil || nth < 1 {
			return nil, fmt.Errorf("%q: %q is not 1 or more", entry, parts[2])
		}
		p.faults = append(p.faults, fault{parts[0], action, nth})
	}
	return p, nil
}

// hit counts a pass of a point. When several entries are due at once, the first one happens, and the others count as having
// happened.
func (p *plan) hit(point string, known Action) Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := None
	for i := range p.faults {
		f := &p.faults[i]
		if f.left == 0 || f.action&known == 0 {
			continue
		}
		if fits, _ := path.Match(f.pattern, point); !fits {
			continue
		}
		if f.left--; f.left == 0 && due == None {
			due = f.action
		}
	}
	return due
}
