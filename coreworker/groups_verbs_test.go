package coreworker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// place reads [pg=G] [bundle=N] [labels=KEY:VALUE] of what is submitted.
func (w *world) place(c *golden.Call, s *task.Spec) error {
	if selector := selector(c.Opt("labels", "")); selector != nil {
		s.Labels = []sched.Selector{selector}
	}
	name := c.Opt("pg", "")
	if name == "" {
		return nil
	}
	id, ok := w.groups[name]
	s.Place = sched.Place{Group: id, Bundle: c.Int("bundle", sched.AnyBundle)}
	if !ok {
		return fmt.Errorf("no placement group %s", name)
	}
	return nil
}

func selector(text string) sched.Selector {
	key, value, ok := strings.Cut(text, ":")
	if !ok {
		return nil
	}
	return sched.Selector{{Key: key, Values: []string{value}}}
}

// pgroup G bundles=N+M [strategy=S] [named=N] [labels=KEY:VALUE] [detached] [parent=T] [gpus]: a placement group of N and M
// CPUs, or GPUs.
func verbGroup(w *world, c *golden.Call) error {
	name, parent := c.Word(), c.Opt("parent", "")
	w.n++
	spec := embedded.GroupSpec{ID: ids.GroupID{byte(w.n >> 8), byte(w.n), 1}, Name: c.Opt("named", "")}
	strategy := c.Opt("strategy", "PACK")
	for spec.Strategy = sched.Pack; spec.Strategy.String() != strategy; {
		spec.Strategy++
	}
	what := sched.CPU
	if c.Flag("gpus") {
		what = sched.GPU
	}
	labels := selector(c.Opt("labels", ""))
	var selectors []sched.Selector
	for text := range strings.SplitSeq(c.Arg("bundles"), "+") {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		want, err := sched.From(map[string]float64{what: n})
		if err != nil {
			return err
		}
		spec.Bundles = append(spec.Bundles, &sched.Bundle{Want: want})
		selectors = append(selectors, labels)
	}
	detached := c.Flag("detached")
	p, err := w.submitter(parent)
	if err != nil {
		return err
	}
	w.groups[name], w.groupNames[spec.ID] = spec.ID, name
	w.core.Do(func() { err = p.CreateGroup(spec, detached, selectors) })
	if err != nil {
		return refusal{errors.New(w.named(err.Error()))}
	}
	return nil
}

// named puts the names of groups where their ids are.
func (w *world) named(text string) string {
	for id, name := range w.groupNames {
		text = strings.ReplaceAll(text, id.String(), name)
	}
	return text
}

// ungroup G: it is removed.
func verbUngroup(w *world, c *golden.Call) error {
	id, ok := w.groups[c.Word()]
	if !ok {
		return errors.New("there is no such group")
	}
	w.core.Do(func() { w.core.RemoveGroup(id) })
	return nil
}

// ready R pg=G: an object of the driver that is there when the group is.
func verbReady(w *world, c *golden.Call) error {
	name, group := c.Word(), w.groups[c.Arg("pg")]
	s := w.spec(name, task.Normal, "")
	w.hold(w.driver, s.ID.Return(1))
	w.core.Do(func() {
		w.driver.AwaitGroup(group, s.ID.Return(1), objects.Value{Data: []byte(name), Metadata: []byte("RAW")})
	})
	return nil
}

// groups: all that are known, and what there is of everything.
func verbGroups(w *world, _ *golden.Call) error {
	w.core.Do(func() {
		for _, g := range w.core.Groups() {
			w.say("%s %s", w.groupNames[g.Spec.ID], g.State())
		}
		i := w.core.Info()
		w.say("machine %s of %s", i.Available, i.Total)
		var names []string
		for name, total := range i.GroupsTotal.All() {
			if !strings.HasPrefix(name, "bundle") {
				names = append(names, fmt.Sprintf("%s: %v of %v", w.named(name), i.GroupsAvailable.Get(name), total))
			}
		}
		slices.Sort(names)
		w.log = append(w.log, names...)
	})
	return nil
}
