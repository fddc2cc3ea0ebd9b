package pyshim

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	pb "github.com/mobula/mobula/proto/boundary"
)

func decodePlace(p *pb.Placement) (sched.Place, error) {
	if p == nil {
		return sched.Place{}, nil
	}
	id, err := ids.Group(p.GroupId)
	if err == nil && id == (ids.GroupID{}) {
		err = errors.New("a placement group without an id")
	}
	return sched.Place{Group: id, Bundle: int(p.Bundle)}, err
}

func decodeSelector(s *pb.LabelSelector) sched.Selector {
	var out sched.Selector
	for _, m := range s.GetMatches() {
		out = append(out, sched.Match{Key: m.GetKey(), Values: m.GetValues(), Not: m.GetNot()})
	}
	return out
}

func decodeSelectors(list []*pb.LabelSelector) []sched.Selector {
	var out []sched.Selector
	for _, s := range list {
		out = append(out, decodeSelector(s))
	}
	return out
}

func (l *lane) decodeAwaitGroup(a *pb.AwaitGroup) (func(), error) {
	group, err := ids.Group(a.GetGroupId())
	if err != nil {
		return nil, err
	}
	id, err := ids.Object(a.GetObjectId())
	if err != nil {
		return nil, err
	}
	v, err := decodeValue(a.GetValue())
	if err != nil {
		return nil, err
	}
	return func() { l.process.AwaitGroup(group, id, v) }, nil
}

// maxBundles bounds what one placement group may ask for.
const maxBundles = 1 << 16

func (l *lane) decodeCreateGroup(request uint64, c *pb.CreateGroup) (func(), error) {
	id, err := ids.Group(c.GetGroupId())
	if err != nil {
		return nil, err
	}
	spec := embedded.GroupSpec{ID: id, Name: c.Name, Namespace: c.Namespace, Strategy: sched.Strategy(c.Strategy)}
	far := backend.Group{ID: id, Name: c.Name, Namespace: c.Namespace, Strategy: spec.Strategy, Detached: c.Detached, Target: c.TargetNodeId, Domains: c.Domains}
	if c.Strategy < 0 || c.Strategy > pb.PlacementStrategy_STRICT_SPREAD || len(c.Bundles) > maxBundles {
		return nil, fmt.Errorf("placement group %s: strategy %d, %d bundles", id, c.Strategy, len(c.Bundles))
	}
	var labels []sched.Selector
	for i, b := range c.Bundles {
		want, err := decodeResources(b.GetResources())
		if err != nil {
			return nil, fmt.Errorf("placement group %s: bundle %d: %w", id, i, err)
		}
		spec.Bundles = append(spec.Bundles, &sched.Bundle{Want: want})
		labels = append(labels, decodeSelector(b.GetLabels()))
		amounts := map[string]float64{}
		for name, amount := range want.All() {
			amounts[name] = amount
		}
		far.Bundles = append(far.Bundles, backend.Bundle{Resources: amounts, Labels: b.LabelTexts})
	}
	detached := c.Detached
	return func() {
		l.later(request, func(answer func(*pb.Reply)) {
			made := func(err error) {
				switch {
				case err == nil:
					answer(&pb.Reply{})
				case errors.Is(err, sched.ErrGroup):
					answer(refused(pb.ErrorKind_ERROR_VALUE, err))
				default: // Ray has no exception of its own for a name that is taken
					answer(refused(pb.ErrorKind_ERROR_INTERNAL, err))
				}
			}
			if !l.server.core.CreateFarGroup(far, made) {
				made(l.process.CreateGroup(spec, detached, labels))
			}
		})
	}, nil
}

func (l *lane) decodeRemoveGroup(request uint64, r *pb.RemoveGroup) (func(), error) {
	id, err := ids.Group(r.GetGroupId())
	if err != nil {
		return nil, err
	}
	return func() {
		l.later(request, func(answer func(*pb.Reply)) {
			removed := func(err error) {
				if err != nil {
					answer(refused(pb.ErrorKind_ERROR_INTERNAL, err))
					return
				}
				answer(&pb.Reply{})
			}
			if !l.server.core.RemoveFarGroup(id, removed) {
				l.server.core.RemoveGroup(id)
				removed(nil)
			}
		})
	}, nil
}

func (l *lane) decodeFindGroups(request uint64, f *pb.FindGroups) (func(), error) {
	core := l.server.core
	find := func() []*embedded.Group { return core.Groups() }
	var by *ids.GroupID
	switch {
	case len(f.GetGroupId()) > 0:
		id, err := ids.Group(f.GroupId)
		if err != nil {
			return nil, err
		}
		by = &id
		find = func() []*embedded.Group { return found(core.Group(id)) }
	case f.GetName() != "":
		find = func() []*embedded.Group { return found(core.GroupNamed(f.Namespace, f.Name)) }
	}
	return func() {
		l.later(request, func(answer func(*pb.Reply)) {
			out := &pb.Groups{}
			if core.FindFarGroups(by, f.GetNamespace(), f.GetName(), func(all []backend.Group, err error) {
				if err != nil {
					answer(refused(pb.ErrorKind_ERROR_INTERNAL, err))
					return
				}
				for _, g := range all {
					out.Groups = append(out.Groups, encodeFarGroup(g))
				}
				answer(&pb.Reply{Kind: &pb.Reply_Groups{Groups: out}})
			}) {
				return
			}
			for _, g := range find() {
				out.Groups = append(out.Groups, encodeGroup(g))
			}
			answer(&pb.Reply{Kind: &pb.Reply_Groups{Groups: out}})
		})
	}, nil
}

func found(g *embedded.Group, ok bool) []*embedded.Group {
	if !ok {
		return nil
	}
	return []*embedded.Group{g}
}

func encodeGroup(g *embedded.Group) *pb.GroupInfo {
	out := &pb.GroupInfo{GroupId: g.Spec.ID.Bytes(), Name: g.Spec.Name, Strategy: pb.PlacementStrategy(g.Spec.Strategy),
		State: pb.GroupState(g.State()), Placed: g.Placed, MadeUs: uint64(g.Made.Microseconds()), Attempts: uint64(g.Attempts),
		Infeasible: g.Never, Namespace: g.Spec.Namespace, Detached: g.Spec.Detached}
	for _, b := range g.Bundles {
		out.Bundles = append(out.Bundles, &pb.GroupBundle{Resources: encodeResources(b.Want)})
	}
	return out
}

func encodeFarGroup(g backend.Group) *pb.GroupInfo {
	out := &pb.GroupInfo{GroupId: g.ID.Bytes(), Name: g.Name, Strategy: pb.PlacementStrategy(g.Strategy), State: pb.GroupState(g.State),
		MadeUs: uint64(g.Made.Microseconds()), Attempts: uint64(g.Attempts), Namespace: g.Namespace, Detached: g.Detached,
		Scheduling: g.Scheduling, LatencyUs: uint64(g.Latency.Microseconds()), RetryDelayMs: float64(g.RetryDelay.Microseconds()) / 1000}
	for _, b := range g.Bundles {
		one := &pb.GroupBundle{NodeId: b.Node}
		for name, amount := range b.Resources {
			one.Resources = append(one.Resources, &pb.Resource{Name: name, Amount: amount})
		}
		out.Bundles = append(out.Bundles, one)
	}
	return out
}
