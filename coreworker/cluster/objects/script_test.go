package objects

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/proto/ray"
)

// world is an owner and what it has said since the last verb.
type world struct {
	*Owner
	names golden.Names
	nodes map[ids.NodeID]string
	said  []string
}

func (w *world) say(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

func (w *world) object(c *golden.Call) ids.ObjectID { return w.named(c.Word()) }

func (w *world) named(name string) ids.ObjectID {
	id, err := w.names.Object(name)
	if err != nil {
		panic(err)
	}
	return id
}

func (w *world) node(name string) ids.NodeID {
	h := sha256.Sum256([]byte("node " + name))
	id := ids.NodeID(h[:ids.UniqueLen])
	w.nodes[id] = name
	return id
}

func (w *world) worker(name string) *ray.Address {
	return &ray.Address{WorkerId: w.names.Worker(name).Bytes(), IpAddress: name}
}

func (w *world) nodeNames(list [][]byte) string {
	var out []string
	for _, b := range list {
		out = append(out, w.nodes[ids.NodeID(b)])
	}
	return strings.Join(out, ",")
}

func (w *world) location(m *ray.WorkerObjectLocationsPubMessage) string {
	if m.RefRemoved {
		return "gone"
	}
	out := fmt.Sprintf("on [%s] size %d", w.nodeNames(m.NodeIds), m.ObjectSize)
	if m.PendingCreation {
		out += ", pending"
	}
	if m.SpilledUrl != "" {
		out += ", spilled to " + m.SpilledUrl
		if len(m.SpilledNodeId) > 0 {
			out += " on " + w.nodeNames([][]byte{m.SpilledNodeId})
		}
	}
	if m.DidSpill != (m.SpilledUrl != "") {
		out += ", did_spill is wrong"
	}
	return out
}

func (w *world) message(m *ray.PubMessage) string {
	id := ids.ObjectID(m.KeyId)
	if l := m.GetWorkerObjectLocationsMessage(); l != nil {
		return fmt.Sprintf("%d: %s %s", m.SequenceId, id, w.location(l))
	}
	out := fmt.Sprintf("%d: %s let go", m.SequenceId, id)
	for _, c := range m.GetWorkerRefRemovedMessage().BorrowedRefs {
		for _, b := range c.Borrowers {
			out += ", by " + b.IpAddress + " not yet"
		}
	}
	return out
}

func (w *world) frees(list []Free) {
	for _, f := range list {
		for _, id := range f.Objects {
			w.say("free %s on %s", id, w.nodes[f.Node])
		}
	}
}

func (w *world) watches(list []Watch) {
	for _, one := range list {
		inside := ""
		if !one.Outer.IsNil() {
			inside = fmt.Sprintf(" inside %s", one.Outer)
		}
		w.say("watch %s at %s%s", one.Object, one.Borrower.IpAddress, inside)
	}
}

func (w *world) update(c *golden.Call, u *ray.ObjectLocationUpdate) error {
	u.ObjectId = w.object(c).Bytes()
	if g := c.Opt("generator", ""); g != "" {
		u.GeneratorId = w.named(g).Bytes()
	}
	frees, err := w.Update(w.node(c.Arg("node")), []*ray.ObjectLocationUpdate{u})
	w.frees(frees)
	return err
}

func (w *world) command(by string, id ids.ObjectID, channel ray.ChannelType, sub *ray.SubMessage) error {
	c := &ray.Command{ChannelType: channel, KeyId: id.Bytes()}
	c.CommandMessageOneOf = &ray.Command_UnsubscribeMessage{UnsubscribeMessage: &ray.UnsubscribeMessage{}}
	if sub != nil {
		c.CommandMessageOneOf = &ray.Command_SubscribeMessage{SubscribeMessage: sub}
	}
	return w.Command(&ray.PubsubCommandBatchRequest{SubscriberId: []byte(by), Commands: []*ray.Command{c}})
}

const (
	places  = ray.ChannelType_WORKER_OBJECT_LOCATIONS_CHANNEL
	letsGo  = ray.ChannelType_WORKER_REF_REMOVED_CHANNEL
	added   = ray.ObjectPlasmaLocationUpdate_ADDED
	dropped = ray.ObjectPlasmaLocationUpdate_REMOVED
)

// counts are what a worker says of objects, one a line: "x here", "x given=b", "x stored-in=y of=b".
func (w *world) counts(c *golden.Call) []*ray.ObjectReferenceCount {
	var out []*ray.ObjectReferenceCount
	for _, line := range c.Lines() {
		one := &ray.ObjectReferenceCount{}
		for i, field := range strings.Fields(line) {
			key, value, _ := strings.Cut(field, "=")
			switch {
			case i == 0:
				one.Reference = &ray.ObjectReference{ObjectId: w.named(field).Bytes()}
			case key == "here":
				one.HasLocalRef = true
			case key == "given":
				one.Borrowers = append(one.Borrowers, w.worker(value))
			case key == "stored-in":
				outer, of, _ := strings.Cut(value, "@")
				one.StoredInObjects = append(one.StoredInObjects, &ray.ObjectReference{ObjectId: w.named(outer).Bytes(), OwnerAddress: w.worker(of)})
			}
		}
		out = append(out, one)
	}
	return out
}

var verbs = map[string]golden.Verb[*world]{
	"expect": plain(func(w *world, c *golden.Call) error { w.Expect(w.object(c)); return nil }),
	"inline": plain(func(w *world, c *golden.Call) error {
		return w.Inline(w.object(c), &ray.RayObject{Data: []byte(c.Arg("value")), Metadata: []byte("RAW")})
	}),
	"stored": plain(func(w *world, c *golden.Call) error {
		return w.Stored(w.object(c), w.node(c.Arg("node")), uint64(c.Int("size", 0)))
	}),
	"forget": plain(func(w *world, c *golden.Call) error { w.frees(w.Forget(w.object(c))); return nil }),
	"free":   plain(func(w *world, c *golden.Call) error { w.frees(w.Free(w.object(c))); return nil }),
	"added": plain(func(w *world, c *golden.Call) error {
		return w.update(c, &ray.ObjectLocationUpdate{PlasmaLocationUpdate: added.Enum()})
	}),
	"removed": plain(func(w *world, c *golden.Call) error {
		return w.update(c, &ray.ObjectLocationUpdate{PlasmaLocationUpdate: dropped.Enum()})
	}),
	"spilled": plain(func(w *world, c *golden.Call) error {
		return w.update(c, &ray.ObjectLocationUpdate{SpilledLocationUpdate: &ray.ObjectSpilledLocationUpdate{
			SpilledUrl: c.Arg("url"), SpilledToLocalStorage: !c.Flag("shared")}})
	}),
	"node-died": plain(func(w *world, c *golden.Call) error {
		lost, next := w.NodeDied(w.node(c.Word()))
		for _, id := range lost {
			w.say("lost %s", id)
		}
		for _, one := range next {
			w.say("keep %s on %s", one.Object, w.nodes[one.Node])
		}
		return nil
	}),
	"not-there": plain(func(w *world, c *golden.Call) error {
		id := w.object(c)
		switch next, lost := w.NotThere(Copy{id, w.node(c.Arg("node"))}); {
		case lost:
			w.say("lost %s", id)
		case !next.Node.IsNil():
			w.say("keep %s on %s", next.Object, w.nodes[next.Node])
		}
		return nil
	}),
	"placed": plain(func(w *world, c *golden.Call) error {
		w.say("%t", w.Placed(w.object(c)))
		return nil
	}),
	"status": plain(func(w *world, c *golden.Call) error {
		by := c.Arg("by")
		w.Status(w.object(c), func(r *ray.GetObjectStatusReply) {
			w.say("%s hears %s %q %q on [%s] size %d", by, r.Status, r.Object.GetData(), r.Object.GetMetadata(), w.nodeNames(r.NodeIds), r.ObjectSize)
		})
		return nil
	}),
	"where": plain(func(w *world, c *golden.Call) error {
		w.say("%s", w.location(w.Locations([]ids.ObjectID{w.object(c)})[0]))
		return nil
	}),
	"subscribe": plain(func(w *world, c *golden.Call) error {
		return w.command(c.Arg("by"), w.object(c), places,
			&ray.SubMessage{SubMessageOneOf: &ray.SubMessage_WorkerObjectLocationsMessage{WorkerObjectLocationsMessage: &ray.WorkerObjectLocationsSubMessage{}}})
	}),
	"unsubscribe": plain(func(w *world, c *golden.Call) error { return w.command(c.Arg("by"), w.object(c), places, nil) }),
	"watch": plain(func(w *world, c *golden.Call) error {
		m := &ray.WorkerRefRemovedSubMessage{}
		if outer := c.Opt("inside", ""); outer != "" {
			m.ContainedInId = w.named(outer).Bytes()
		}
		return w.command(c.Arg("by"), w.object(c), letsGo,
			&ray.SubMessage{SubMessageOneOf: &ray.SubMessage_WorkerRefRemovedMessage{WorkerRefRemovedMessage: m}})
	}),
	"poll": plain(func(w *world, c *golden.Call) error {
		by := c.Word()
		publisher := w.self[:]
		if other := c.Opt("of", ""); other != "" {
			publisher = w.names.Worker(other).Bytes()
		}
		w.Poll(&ray.PubsubLongPollingRequest{SubscriberId: []byte(by), MaxProcessedSequenceId: int64(c.Int("after", 0)), PublisherId: publisher},
			func(r *ray.PubsubLongPollingReply) {
				if string(r.PublisherId) != string(w.self[:]) {
					w.say("not our answer")
				}
				w.say("%s hears %d", by, len(r.PubMessages))
				for _, m := range r.PubMessages {
					w.say("  %s", w.message(proto.CloneOf(m)))
				}
			})
		return nil
	}),
	"sweep": plain(func(w *world, _ *golden.Call) error { w.Sweep(); return nil }),
	"merge": plain(func(w *world, c *golden.Call) error {
		watches, err := w.Merge(w.worker(c.Arg("from")), w.counts(c))
		w.watches(watches)
		return err
	}),
	"let-go": plain(func(w *world, c *golden.Call) error {
		id := w.object(c)
		watches, err := w.LetGo(id, w.names.Worker(c.Arg("by")), w.counts(c))
		w.watches(watches)
		if w.Lent(id) {
			w.say("lent on")
		} else {
			w.say("with nobody")
		}
		return err
	}),
	"worker-died": plain(func(w *world, c *golden.Call) error {
		for _, id := range w.WorkerDied(w.names.Worker(c.Word())) {
			w.say("with nobody: %s", id)
		}
		return nil
	}),
	"borrow": plain(func(w *world, c *golden.Call) error { w.Borrow(w.object(c)); return nil }),
	"return": plain(func(w *world, c *golden.Call) error { w.Return(w.object(c)); return nil }),
}

func plain(do func(*world, *golden.Call) error) golden.Verb[*world] {
	return func(w *world, c *golden.Call) (string, error) {
		w.said = nil
		err := do(w, c)
		return strings.Join(w.said, "\n"), err
	}
}

// check looks at what must always hold.
func (w *world) check() error {
	for t, list := range w.pub.listeners {
		for _, subscriber := range list {
			if _, ok := w.pub.boxes[subscriber].topics[t]; !ok {
				return fmt.Errorf("%s listens to %v and does not know", subscriber, t)
			}
		}
	}
	for id, e := range w.objects {
		if e.state != pending && len(e.waiting) > 0 {
			return fmt.Errorf("somebody waits for %s, which is decided", id)
		}
	}
	for id, l := range w.lent {
		if len(l.borrowers) == 0 || w.objects[id] == nil {
			return fmt.Errorf("%s is lent to nobody, or is none of ours", id)
		}
	}
	for id, b := range w.held {
		if !b.here && len(b.inside) == 0 && (b.asked || len(b.further) == 0) {
			return fmt.Errorf("%s is borrowed for nobody", id)
		}
	}
	for subscriber, b := range w.pub.boxes {
		if b.poll != nil && len(b.queue) > 0 {
			return fmt.Errorf("%s waits for what is there", subscriber)
		}
	}
	return nil
}

// TestScripts plays the golden scripts of testdata: one behavior a file.
func TestScripts(t *testing.T) {
	golden.Script[*world]{
		New: func(*testing.T) *world {
			w := &world{nodes: make(map[ids.NodeID]string)}
			w.Owner = NewOwner(w.names.Worker("us"))
			return w
		},
		Verbs: verbs,
		Check: (*world).check,
		Show:  func(w *world, answer string) string { return w.names.Show(answer) },
	}.Run(t, "testdata")
}
