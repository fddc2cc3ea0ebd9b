package execute

import (
	"maps"
	"slices"
)

// spare sees that threads which nobody needs any more end. Not at once: calls come in bursts, and a thread costs more than a
// call.
func (x *Executor) spare(g *group) {
	if x.Later == nil || x.trimming || g.kind != Thread || len(g.idle()) <= spareLanes {
		return
	}
	x.trimming = true
	x.Later(x.Trim)
}

// Trim ends the threads that are idle now, but for a few of each group.
func (x *Executor) Trim() {
	x.trimming = false
	if x.dead {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(x.groups)) {
		g := x.groups[name]
		if g.kind != Thread {
			continue
		}
		idle := g.idle()
		for _, l := range idle[min(spareLanes, len(idle)):] {
			// It gets nothing more from here on. Detach comes when its stream has ended.
			g.lanes = slices.DeleteFunc(g.lanes, func(o *Lane) bool { return o == l })
			l.port.Close()
		}
	}
}

// idle lists the lanes that run nothing. Those at the end are the ones that are needed least: pump takes the first.
func (g *group) idle() []*Lane {
	var out []*Lane
	for _, l := range g.lanes {
		if len(l.pushed) == 0 {
			out = append(out, l)
		}
	}
	return out
}
