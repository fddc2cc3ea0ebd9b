package pyshim

import (
	"errors"
	"fmt"

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
	}
	detached := c.Detached
	return func() {
		err := l.process.CreateGroup(spec, detached, labels)
		switch {
		case err == nil:
			l.answer(request, &pb.Reply{})
		case errors.Is(err, sched.ErrGroup):
			l.answer(request, refused(pb.ErrorKind_ERROR_VALUE, err))
		default: // Ray has no exception of its own for a name that is taken
			l.answer(request, refused(pb.ErrorKind_ERROR_INTERNAL, err))
		}
	}, nil
}

func (l *lane) decodeRemoveGroup(request uint64, r *pb.RemoveGroup) (func(), error) {
	id, err := ids.Group(r.GetGroupId())
	if err != nil {
		return nil, err
	}
	return func() {
		l.server.core.RemoveGroup(id)
		l.answer(request, &pb.Reply{})
	}, nil
}

func (l *lane) decodeFindGroups(request uint64, f *pb.FindGroups) (func(), error) {
	core := l.server.core
	find := func() []*embedded.Group { return core.Groups() }
	switch {
	case len(f.GetGroupId()) > 0:
		id, err := ids.Group(f.GroupId)
		if err != nil {
			return nil, err
		}
		find = func() []*embedded.Group { return found(core.Group(id)) }
	case f.GetName() != "":
		find = func() []*embedded.Group { return found(core.GroupNamed(f.Namespace, f.Name)) }
	}
	return func() {
		out := &pb.Groups{}
		for _, g := range find() {
			out.Groups = append(out.Groups, encodeGroup(g))
		}
		l.answer(request, &pb.Reply{Kind: &pb.Reply_Groups{Groups: out}})
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
