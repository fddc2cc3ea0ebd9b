package objects

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// ErrUnknown is wrapped where an object is named that is not owned here, or not any more.
var ErrUnknown = errors.New("not an object of this owner")

type state uint8

const (
	pending state = iota // its task has not ended
	inline               // the value is here
	stored               // the value is in stores
	freed                // by the user; the reference lives on
)

// object is one that is owned here.
type object struct {
	state   state
	value   *ray.RayObject // where inline
	size    uint64
	nodes   []ids.NodeID // with a copy, in the order in which they told
	url     string       // of what was spilled
	spilled ids.NodeID   // on whose disk; nil: on everybody's
	placed  bool         // it was in stores once: there may be raylets that wait for it there
	waiting []func(*ray.GetObjectStatusReply)
}

// Free is what a node is to do: free its copies.
type Free struct {
	Node    ids.NodeID
	Objects []ids.ObjectID
}

// Owner is the state of one core worker's objects, and of the references that it borrows.
type Owner struct {
	self    ids.WorkerID
	objects map[ids.ObjectID]*object
	pub     *publisher
	lent    map[ids.ObjectID]*loan
	held    map[ids.ObjectID]*borrowed
}

// NewOwner is the owner that a core worker is.
func NewOwner(self ids.WorkerID) *Owner {
	return &Owner{
		self: self, objects: make(map[ids.ObjectID]*object), pub: newPublisher(self),
		lent: make(map[ids.ObjectID]*loan), held: make(map[ids.ObjectID]*borrowed),
	}
}

// Len is how many objects are owned.
func (o *Owner) Len() int { return len(o.objects) }

// Expect says that an object will be: before its task is sent and before it is put, because raylets tell of copies at once. Of a
// known object it says that its task runs again, all copies being lost.
func (o *Owner) Expect(id ids.ObjectID) {
	e := o.objects[id]
	if e == nil {
		o.objects[id] = &object{}
		return
	}
	if e.state == freed {
		return
	}
	e.state, e.value = pending, nil
	o.tell(id, e)
}

// Inline gives the value of an object that is in no store.
func (o *Owner) Inline(id ids.ObjectID, value *ray.RayObject) error {
	e := o.objects[id]
	if e == nil {
		return fmt.Errorf("value of %s: %w", id, ErrUnknown)
	}
	if e.state == freed {
		return nil
	}
	e.state, e.value, e.size = inline, value, uint64(len(value.Data)+len(value.Metadata))
	o.tell(id, e)
	return nil
}

// Stored says that an object was made, in a node's store.
func (o *Owner) Stored(id ids.ObjectID, node ids.NodeID, size uint64) error {
	e := o.objects[id]
	if e == nil {
		return fmt.Errorf("place of %s: %w", id, ErrUnknown)
	}
	if e.state == freed {
		return nil
	}
	e.state, e.size, e.placed = stored, size, true
	e.add(node)
	o.tell(id, e)
	return nil
}

// Placed says whether the object was in stores once. A raylet that waits for one looks for copies in stores alone, so what it becomes
// has to be there too, were it an error.
func (o *Owner) Placed(id ids.ObjectID) bool { return o.objects[id] != nil && o.objects[id].placed }

// Forget says that nobody refers to the object any more, and returns what nodes have of it.
func (o *Owner) Forget(id ids.ObjectID) []Free {
	e := o.objects[id]
	if e == nil {
		return nil
	}
	delete(o.objects, id)
	delete(o.lent, id)
	o.pub.publish(topic{ray.ChannelType_WORKER_OBJECT_LOCATIONS_CHANNEL, id}, located(removed()))
	e.answer(&ray.GetObjectStatusReply{Status: ray.GetObjectStatusReply_OUT_OF_SCOPE})
	o.outerGone(id)
	return e.frees(id)
}

// Free drops the value and keeps the reference: whoever asks is told that it was freed.
func (o *Owner) Free(id ids.ObjectID) []Free {
	e := o.objects[id]
	if e == nil || e.state == freed {
		return nil
	}
	out := e.frees(id)
	*e = object{state: freed, waiting: e.waiting}
	o.tell(id, e)
	return out
}

// frees are the nodes that have a copy, or the file of one.
func (e *object) frees(id ids.ObjectID) []Free {
	nodes := slices.Clone(e.nodes)
	if e.url != "" && !e.spilled.IsNil() && !slices.Contains(nodes, e.spilled) {
		nodes = append(nodes, e.spilled)
	}
	out := make([]Free, 0, len(nodes))
	for _, node := range nodes {
		out = append(out, Free{node, []ids.ObjectID{id}})
	}
	return out
}

// Update takes what a raylet tells of its copies. It returns what that node has and nobody refers to: a copy that was made while
// the object went, which nothing else would ever take away.
func (o *Owner) Update(node ids.NodeID, updates []*ray.ObjectLocationUpdate) ([]Free, error) {
	var orphans []ids.ObjectID
	var errs []error
	for _, u := range updates {
		id, err := ids.Object(u.ObjectId)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e := o.objects[id]
		if e == nil {
			if e = o.item(id, u.GeneratorId); e == nil {
				if u.PlasmaLocationUpdate != nil && *u.PlasmaLocationUpdate == ray.ObjectPlasmaLocationUpdate_ADDED {
					orphans = append(orphans, id)
				}
				continue
			}
		}
		if e.update(node, u) {
			o.tell(id, e)
		}
	}
	if len(orphans) > 0 {
		return []Free{{node, orphans}}, errors.Join(errs...)
	}
	return nil, errors.Join(errs...)
}

// item is what a generator of ours has yielded, of which its raylet tells before its executor does.
func (o *Owner) item(id ids.ObjectID, generator []byte) *object {
	g, err := ids.Object(generator)
	if err != nil || o.objects[g] == nil || g.Task() != id.Task() {
		return nil
	}
	e := &object{}
	o.objects[id] = e
	return e
}

// update says whether anything is different now. A copy of what is pending does not end its task: the reply does.
func (e *object) update(node ids.NodeID, u *ray.ObjectLocationUpdate) bool {
	changed := false
	if u.PlasmaLocationUpdate != nil {
		switch *u.PlasmaLocationUpdate {
		case ray.ObjectPlasmaLocationUpdate_ADDED:
			changed = e.add(node)
		case ray.ObjectPlasmaLocationUpdate_REMOVED:
			changed = e.remove(node)
		}
	}
	if s := u.SpilledLocationUpdate; s != nil {
		at := ids.NodeID{}
		if s.SpilledToLocalStorage {
			at = node
		}
		changed = changed || e.url != s.SpilledUrl || e.spilled != at
		e.url, e.spilled = s.SpilledUrl, at
	}
	return changed
}

func (e *object) add(node ids.NodeID) bool {
	if e.state == freed || slices.Contains(e.nodes, node) {
		return false
	}
	e.nodes = append(e.nodes, node)
	return true
}

func (e *object) remove(node ids.NodeID) bool {
	i := slices.Index(e.nodes, node)
	if i < 0 {
		return false
	}
	e.nodes = slices.Delete(e.nodes, i, i+1)
	return true
}

// Copy is a copy of an object in a node's store.
type Copy struct {
	Object ids.ObjectID
	Node   ids.NodeID
}

// NodeDied takes a node's copies off, and returns the objects of which there is none left, and of those whose first copy it had the
// next one: a node keeps the first one only until it is freed, and any other as long as it has room. Both in the order of their ids.
func (o *Owner) NodeDied(node ids.NodeID) (lost []ids.ObjectID, next []Copy) {
	for id, e := range o.objects {
		first := len(e.nodes) > 0 && e.nodes[0] == node
		changed := e.remove(node)
		if e.url != "" && e.spilled == node {
			e.url, e.spilled, changed = "", ids.NodeID{}, true
		}
		if !changed {
			continue
		}
		o.tell(id, e)
		switch {
		case e.state != stored || e.url != "":
		case len(e.nodes) == 0:
			lost = append(lost, id)
		case first:
			next = append(next, Copy{id, e.nodes[0]})
		}
	}
	slices.SortFunc(lost, func(a, b ids.ObjectID) int { return bytes.Compare(a[:], b[:]) })
	slices.SortFunc(next, func(a, b Copy) int { return bytes.Compare(a.Object[:], b.Object[:]) })
	return lost, next
}

// NotThere says that a node does not have a copy which it was thought to have. The next one is returned, or that there is none.
func (o *Owner) NotThere(c Copy) (next Copy, lost bool) {
	e := o.objects[c.Object]
	if e == nil || !e.remove(c.Node) {
		return Copy{}, false
	}
	o.tell(c.Object, e)
	switch {
	case e.state != stored || e.url != "":
		return Copy{}, false
	case len(e.nodes) == 0:
		return Copy{}, true
	}
	return Copy{c.Object, e.nodes[0]}, false
}

// Status answers a borrower, when the object is there or will never be.
func (o *Owner) Status(id ids.ObjectID, done func(*ray.GetObjectStatusReply)) {
	e := o.objects[id]
	if e == nil {
		done(&ray.GetObjectStatusReply{Status: ray.GetObjectStatusReply_OUT_OF_SCOPE})
		return
	}
	e.waiting = append(e.waiting, done)
	e.settle()
}

// Asked says whether a borrower waits for the object.
func (o *Owner) Asked(id ids.ObjectID) bool {
	e := o.objects[id]
	return e != nil && len(e.waiting) > 0
}

// inPlasma is the metadata that says: the value is in stores.
var inPlasma = []byte("4")

// settle answers who waits, if there is an answer.
func (e *object) settle() {
	if len(e.waiting) == 0 {
		return
	}
	switch e.state {
	case pending:
	case inline:
		e.answer(&ray.GetObjectStatusReply{Status: ray.GetObjectStatusReply_CREATED, Object: e.value, ObjectSize: e.size})
	case stored:
		e.answer(&ray.GetObjectStatusReply{Status: ray.GetObjectStatusReply_CREATED,
			Object: &ray.RayObject{Metadata: inPlasma}, NodeIds: e.nodeIDs(), ObjectSize: e.size})
	case freed:
		e.answer(&ray.GetObjectStatusReply{Status: ray.GetObjectStatusReply_FREED})
	}
}

func (e *object) answer(r *ray.GetObjectStatusReply) {
	waiting := e.waiting
	e.waiting = nil
	for _, done := range waiting {
		done(r)
	}
}

// Locations are where objects are, one for each.
func (o *Owner) Locations(list []ids.ObjectID) []*ray.WorkerObjectLocationsPubMessage {
	out := make([]*ray.WorkerObjectLocationsPubMessage, len(list))
	for i, id := range list {
		out[i] = o.location(id)
	}
	return out
}

func (o *Owner) location(id ids.ObjectID) *ray.WorkerObjectLocationsPubMessage {
	e := o.objects[id]
	if e == nil || e.state == freed {
		return removed()
	}
	m := &ray.WorkerObjectLocationsPubMessage{
		NodeIds: e.nodeIDs(), ObjectSize: e.size, SpilledUrl: e.url, DidSpill: e.url != "", PendingCreation: e.state == pending,
	}
	if !e.spilled.IsNil() {
		m.SpilledNodeId = e.spilled.Bytes()
	}
	return m
}

func removed() *ray.WorkerObjectLocationsPubMessage {
	return &ray.WorkerObjectLocationsPubMessage{RefRemoved: true}
}

func (e *object) nodeIDs() [][]byte {
	out := make([][]byte, len(e.nodes))
	for i, node := range e.nodes {
		out[i] = node.Bytes()
	}
	return out
}

// tell says to everybody what has become of an object.
func (o *Owner) tell(id ids.ObjectID, e *object) {
	e.settle()
	t := topic{ray.ChannelType_WORKER_OBJECT_LOCATIONS_CHANNEL, id}
	if len(o.pub.listeners[t]) > 0 {
		o.pub.publish(t, located(o.location(id)))
	}
}

func located(m *ray.WorkerObjectLocationsPubMessage) *ray.PubMessage {
	return &ray.PubMessage{InnerMessage: &ray.PubMessage_WorkerObjectLocationsMessage{WorkerObjectLocationsMessage: m}}
}

// Command takes a subscriber's commands: a raylet hears where an object is, at once and after each change, and another owner
// when its object is not borrowed here any more.
func (o *Owner) Command(r *ray.PubsubCommandBatchRequest) error {
	subscriber := string(r.SubscriberId)
	for _, c := range r.Commands {
		id, err := ids.Object(c.KeyId)
		if err != nil {
			return err
		}
		t := topic{c.ChannelType, id}
		switch {
		case c.GetUnsubscribeMessage() != nil:
			o.pub.unsubscribe(subscriber, t)
		case c.GetSubscribeMessage().GetWorkerObjectLocationsMessage() != nil:
			o.pub.subscribe(subscriber, t)
			o.pub.send(subscriber, t, located(o.location(id)))
		case c.GetSubscribeMessage().GetWorkerRefRemovedMessage() != nil:
			o.pub.subscribe(subscriber, t)
			o.watched(id, c.GetSubscribeMessage().GetWorkerRefRemovedMessage())
		default:
			return fmt.Errorf("subscription to channel %v, which core workers do not have", c.ChannelType)
		}
	}
	return nil
}

// Poll answers a subscriber when there is something for it.
func (o *Owner) Poll(r *ray.PubsubLongPollingRequest, done func(*ray.PubsubLongPollingReply)) {
	o.pub.poll(r, done)
}

// Sweep forgets the subscribers that have not been heard of since the last Sweep. Ray gives them 300 s.
func (o *Owner) Sweep() { o.pub.sweep() }
