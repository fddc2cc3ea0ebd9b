package actors

// Sequence numbers the calls to one incarnation of an actor, for each concurrency group from 0. A number is never given twice:
// an executor ends its process when two calls have the same one.
type Sequence struct{ groups map[string]*group }

type group struct {
	next     uint64
	upTo     int64               // all numbers up to it have an answer
	answered map[uint64]struct{} // above upTo
}

// Next is the number of a call, and the number up to which all calls have been answered, -1 for none: the executor does not wait
// for what is missing below.
func (s *Sequence) Next(name string) (number uint64, upTo int64) {
	if s.groups == nil {
		s.groups = map[string]*group{}
	}
	g := s.groups[name]
	if g == nil {
		g = &group{upTo: -1, answered: map[uint64]struct{}{}}
		s.groups[name] = g
	}
	number = g.next
	g.next++
	return number, g.upTo
}

// Answered is told of a call that has its answer, or will never have one.
func (s *Sequence) Answered(name string, number uint64) {
	g := s.groups[name]
	if g == nil || number >= g.next || int64(number) <= g.upTo {
		return
	}
	g.answered[number] = struct{}{}
	for {
		next := uint64(g.upTo + 1)
		if _, ok := g.answered[next]; !ok {
			return
		}
		delete(g.answered, next)
		g.upTo++
	}
}
