package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
)

// Errors of placement groups.
var (
	// ErrGroupName is returned by CreateGroup when a group of the namespace has the name.
	ErrGroupName = errors.New("a placement group of that name is there already")
	// ErrNoGroup is returned for a group that nobody has ever heard of.
	ErrNoGroup = errors.New("no such placement group")
)

// keptGroups is how many removed groups are remembered, so that their state can still be asked for.
const keptGroups = 1000

// GroupSpec is a placement group as it was asked for.
type GroupSpec struct {
	ID              ids.GroupID
	Name, Namespace string
	Strategy        sched.Strategy
	Bundles         []*sched.Bundle
	// Owner is the detached actor that the group ends with; zero: none.
	Owner ids.ActorID
	// Job is what it ends with, unless it has an owner or is detached: then with the session.
	Job      ids.JobID
	Detached bool
}

// Group is a placement group and what is to be told of it.
type Group struct {
	*sched.Group
	Spec     GroupSpec
	Attempts int           // times that room was looked for
	Placed   bool          // it has been made
	Made     time.Duration // from when it was asked for until it had its resources
	// Never is set for one that the machine can never hold.
	Never bool

	asked   time.Duration
	waiters []groupWaiter
}

// groupWaiter is told whether the group was made; it is forgotten when nobody wants to know any more.
type groupWaiter struct {
	wanted func() bool
	told   func(made bool)
}

// groups is the part of the scheduler that knows placement groups.
type groups struct {
	all     map[ids.GroupID]*Group
	order   []*Group // all, as they were asked for
	pending []*Group // those that want resources
	leaving []*Group // removed, with bundles that were not given back
	removed []ids.GroupID
	names   map[string]ids.GroupID
}

func newGroups() groups {
	return groups{all: map[ids.GroupID]*Group{}, names: map[string]ids.GroupID{}}
}

// warning is something that a driver was told.
type warning struct {
	job  ids.JobID
	text string
}

// wait says whether a group waits for what others have of the machine.
func (g *groups) wait() bool {
	return slices.ContainsFunc(g.pending, func(p *Group) bool { return !p.Never })
}

// CreateGroup makes a placement group as soon as the machine has room for it. One that is known already stays what it is.
func (s *Scheduler) CreateGroup(spec GroupSpec) error {
	if s.groups.all[spec.ID] != nil {
		return nil // asked again after a lane was lost
	}
	inner, err := sched.NewGroup(spec.Strategy, spec.Bundles)
	if err != nil {
		return err
	}
	if key := nameKey(spec.Namespace, spec.Name); spec.Name != "" {
		if _, taken := s.groups.names[key]; taken {
			return fmt.Errorf("failed to create placement group %s: the name %q in namespace %q: %w", spec.ID, spec.Name, spec.Namespace, ErrGroupName)
		}
		s.groups.names[key] = spec.ID
	}
	g := &Group{Group: inner, Spec: spec, asked: s.host.Now()}
	s.groups.all[spec.ID] = g
	s.groups.order = append(s.groups.order, g)
	s.groups.pending = append(s.groups.pending, g)
	if why := inner.Infeasible(s.machine); why != "" {
		g.Never = true
		s.warn(spec.Job, fmt.Sprintf("placement group %s (%s) cannot be made on this machine: %s. It waits until it is removed.",
			spec.ID, spec.Strategy, why))
	}
	s.schedule()
	return nil
}

// reserve makes the first pending group that there is room for, and says whether there was one. Who waits for it is
// told, and may do anything: the caller looks at all lists afresh.
func (s *Scheduler) reserve() bool {
	for i, g := range s.groups.pending {
		g.Attempts++
		if g.Reserve(s.machine) {
			s.groups.pending = slices.Delete(s.groups.pending, i, i+1)
			g.Placed, g.Made = true, s.host.Now()-g.asked
			g.tell(true)
			return true
		}
	}
	return false
}

func (g *Group) tell(made bool) {
	waiters := g.waiters
	g.waiters = nil
	for _, w := range waiters {
		w.told(made)
	}
}

// AwaitGroup calls told once the group was made, or was removed; at once where it is so far. Never for a group that is not
// known. wanted says whether the answer still matters.
func (s *Scheduler) AwaitGroup(id ids.GroupID, wanted func() bool, told func(made bool)) error {
	g := s.groups.all[id]
	switch {
	case g == nil:
		return fmt.Errorf("placement group %s: %w", id, ErrNoGroup)
	case g.State() != sched.GroupPending:
		told(g.State() == sched.GroupCreated)
	default:
		g.waiters = slices.DeleteFunc(g.waiters, func(w groupWaiter) bool { return !w.wanted() })
		g.waiters = append(g.waiters, groupWaiter{wanted, told})
	}
	return nil
}

// RemoveGroup ends a group: what waits for it fails at once, what runs in it is killed, and the machine has its resources
// back as soon as nobody holds them. Actors are the directory's: Actors.GroupRemoved. Removing it twice is harmless.
func (s *Scheduler) RemoveGroup(id ids.GroupID) (why string, was bool) {
	g := s.groups.all[id]
	if g == nil || g.State() == sched.GroupRemoved {
		return "", false
	}
	g.Remove()
	if key := nameKey(g.Spec.Namespace, g.Spec.Name); g.Spec.Name != "" && s.groups.names[key] == id {
		delete(s.groups.names, key)
	}
	s.groups.pending = slices.DeleteFunc(s.groups.pending, func(o *Group) bool { return o == g })
	s.groups.leaving = append(s.groups.leaving, g)
	s.remember(id)
	why = removedText(id)
	g.tell(false)
	s.failWishes(id, why)
	s.killLeases(g, "it was killed because "+why)
	s.schedule()
	return why, true
}

// failWishes fails one wish after the other. What is called may wish and cancel, so the lists are looked at afresh each time.
func (s *Scheduler) failWishes(id ids.GroupID, why string) {
	member := func(w *wish) bool { return w.place.Group == id }
	for {
		if i := slices.IndexFunc(s.wishes, member); i >= 0 {
			w := s.wishes[i]
			s.wishes = slices.Delete(s.wishes, i, i+1)
			w.fail(why)
		} else if i := slices.IndexFunc(s.placed, member); i >= 0 {
			w := s.placed[i]
			s.placed = slices.Delete(s.placed, i, i+1)
			s.giveBack(w)
			w.fail(why)
		} else {
			return
		}
	}
}

// killLeases takes the group's workers from their submitters, so that nothing more is pushed there, and kills them.
func (s *Scheduler) killLeases(g *Group, why string) {
	var members []*lease
	for l := range s.leases {
		if g.Has(sched.AnyBundle, l.worker.pool) {
			members = append(members, l)
		}
	}
	slices.SortFunc(members, func(a, b *lease) int { return cmp.Compare(a.worker.born, b.worker.born) })
	for _, l := range members {
		w := l.worker
		delete(s.leases, l)
		w.lease, w.retiring, w.doom = nil, true, why
		if l.Lost != nil {
			l.Lost()
		}
		s.host.Kill(w)
	}
}

// sweep gives the machine what is left of removed groups.
func (s *Scheduler) sweep() {
	s.groups.leaving = slices.DeleteFunc(s.groups.leaving, func(g *Group) bool {
		_, err := g.Sweep(s.machine)
		s.check(err)
		return !slices.ContainsFunc(g.Bundles, func(b *sched.Bundle) bool { return b.Pool() != nil })
	})
}

// remember forgets the group that was removed longest ago when there are too many.
func (s *Scheduler) remember(id ids.GroupID) {
	s.groups.removed = append(s.groups.removed, id)
	if len(s.groups.removed) <= keptGroups {
		return
	}
	oldest := s.groups.all[s.groups.removed[0]]
	if slices.Contains(s.groups.leaving, oldest) {
		return // its workers are not gone yet
	}
	s.groups.removed = s.groups.removed[1:]
	delete(s.groups.all, oldest.Spec.ID)
	s.groups.order = slices.DeleteFunc(s.groups.order, func(g *Group) bool { return g == oldest })
}

func removedText(id ids.GroupID) string { return fmt.Sprintf("placement group %s was removed", id) }

// refusal says why a wish can never be granted because of its group; "" where it can.
func (s *Scheduler) refusal(w *wish) string {
	if !w.place.InGroup() {
		return ""
	}
	g := s.groups.all[w.place.Group]
	switch {
	case g == nil:
		return fmt.Sprintf("placement group %s is not known: it was removed long ago, or is of another session", w.place.Group)
	case g.State() == sched.GroupRemoved:
		return removedText(w.place.Group)
	case w.place.Bundle < sched.AnyBundle || w.place.Bundle >= len(g.Bundles):
		return fmt.Sprintf("placement group %s has no bundle %d: it has %d", w.place.Group, w.place.Bundle, len(g.Bundles))
	}
	return ""
}

// warnOf says when a wish outside of groups waits for what is not there.
func (s *Scheduler) warnOf(w *wish) {
	switch {
	case w.place.Nowhere:
		s.warn(w.kind.Job, "no machine of the session has the labels that a task or actor asks for. It waits for one that does.")
	case !w.place.InGroup() && !s.machine.Feasible(w.res):
		s.warn(w.kind.Job, fmt.Sprintf("a task or actor asks for %s, and the machine has %s. It waits until it is canceled or killed.",
			w.res, s.machine.Node().Total().Of(w.res)))
	}
}

// warn says each thing once to each driver.
func (s *Scheduler) warn(job ids.JobID, text string) {
	warning := warning{job, text}
	if _, said := s.warned[warning]; said {
		return
	}
	if len(s.warned) >= keptGroups {
		clear(s.warned)
	}
	s.warned[warning] = struct{}{}
	s.host.Warn(job, text)
}

// Group returns a group that is known.
func (s *Scheduler) Group(id ids.GroupID) (*Group, bool) { g, ok := s.groups.all[id]; return g, ok }

// GroupNamed returns the group of that name that was not removed.
func (s *Scheduler) GroupNamed(namespace, name string) (*Group, bool) {
	return s.Group(s.groups.names[nameKey(namespace, name)])
}

// Groups are all groups that are known, as they were asked for.
func (s *Scheduler) Groups() []*Group { return s.groups.order }

// GroupsOf are the groups that end with the actor.
func (s *Scheduler) GroupsOf(owner ids.ActorID) (out []ids.GroupID) {
	for _, g := range s.groups.order {
		if g.Spec.Owner == owner && g.State() != sched.GroupRemoved {
			out = append(out, g.Spec.ID)
		}
	}
	return out
}

// slots is how many holders Ray lets a bundle have at most: it counts them as a resource named "bundle", 0.001 each.
const slots, perHolder = 1000, 0.001

// GroupResources is what groups have and what of it is free, under the names that Ray gives it.
func (s *Scheduler) GroupResources() (total, available sched.Resources) {
	all, free := map[string]float64{}, map[string]float64{}
	for _, g := range s.groups.order {
		for i, b := range g.Bundles {
			if g.State() != sched.GroupCreated {
				continue
			}
			count := func(amounts map[string]float64, name string, amount float64) {
				amounts[fmt.Sprintf("%s_group_%s", name, g.Spec.ID)] += amount
				amounts[fmt.Sprintf("%s_group_%d_%s", name, i, g.Spec.ID)] += amount
			}
			for name, amount := range b.Want.All() {
				count(all, name, amount)
			}
			for name, amount := range b.Pool().Node().Available().All() {
				count(free, name, amount)
			}
			count(all, "bundle", slots)
			count(free, "bundle", max(slots-perHolder*float64(b.Pool().Holders()), 0))
		}
	}
	var err error
	if total, err = sched.From(all); err == nil {
		available, err = sched.From(free)
	}
	s.check(err)
	return total, available
}

// ValidateResources checks what must hold between calls.
func (s *Scheduler) ValidateResources() error {
	err := s.machine.Validate()
	for _, g := range s.groups.order {
		err = errors.Join(err, g.Validate())
	}
	return err
}
