package coreworker

import (
	"fmt"
	"slices"
)

// gate decides when the producers of streams may go on. A stream has one of its own; those of an actor with a limit for all
// of its generators share one. Who is held back waits in order, and nobody passes by who has room.
type gate struct {
	limit   int // how many items of its streams may be there and not taken, together; 0 = any number
	streams []*stream
	held    []held
}

// held is a producer that waits: it wants to go on after that many items.
type held struct {
	*parked
	stream   *stream
	produced int
}

// unread is how many items were not taken. What a producer was let go to make counts as made: two threads of an actor would
// both be let go for the last place.
func (g *gate) unread() (n int) {
	for _, s := range g.streams {
		n += max(s.written, s.granted) - s.taken
	}
	return n
}

// grant lets a producer go on that has produced so many items, if it may.
func (g *gate) grant(s *stream, produced int) bool {
	switch {
	case s.over || produced < s.written: // nobody reads it, or the item is there from an earlier attempt
		return true
	case s.limit > 0 && produced-s.taken >= s.limit:
		return false
	case g.limit > 0 && produced >= s.granted && g.unread() >= g.limit:
		return false
	}
	s.granted = max(s.granted, produced+1)
	return true
}

// look lets those go on that may.
func (g *gate) look() {
	waiting := g.held
	g.held = nil
	for _, h := range waiting {
		switch {
		case h.over:
		case g.grant(h.stream, h.produced):
			h.finish(byObjects)
		default:
			g.held = append(g.held, h)
		}
	}
}

// hold makes a producer wait.
func (g *gate) hold(q *parked, s *stream, produced int) {
	g.held = slices.DeleteFunc(g.held, func(h held) bool { return h.over })
	g.held = append(g.held, held{q, s, produced})
}

// validateGates checks that shared gates are those of streams that are there.
func (c *Core) validateGates() error {
	for actor, g := range c.gates {
		if len(g.streams) == 0 {
			return fmt.Errorf("the gate of actor %s has no streams", actor)
		}
		for _, s := range g.streams {
			if c.streams[s.task] != s || s.gate != g {
				return fmt.Errorf("stream %s is at a gate that is not its own", s.task)
			}
		}
	}
	return nil
}
