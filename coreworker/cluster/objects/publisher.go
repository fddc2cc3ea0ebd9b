package objects

import (
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// batch is the most messages of one answer.
const batch = 5000

// topic is what a subscriber hears of.
type topic struct {
	channel ray.ChannelType
	object  ids.ObjectID
}

// mailbox is what one subscriber has not confirmed.
type mailbox struct {
	topics map[topic]struct{}
	queue  []*ray.PubMessage
	last   int64 // number of the last message
	poll   func(*ray.PubsubLongPollingReply)
	heard  bool // since the last Sweep
}

// publisher keeps messages for subscribers until they say that these have come: polls may be lost, and asked again.
type publisher struct {
	id    ids.WorkerID
	boxes map[string]*mailbox
	// listeners of each topic, in the order in which they came.
	listeners map[topic][]string
}

func newPublisher(id ids.WorkerID) *publisher {
	return &publisher{id: id, boxes: make(map[string]*mailbox), listeners: make(map[topic][]string)}
}

// box is a subscriber's; polls and commands come in any order, so either makes one.
func (p *publisher) box(subscriber string) *mailbox {
	b := p.boxes[subscriber]
	if b == nil {
		b = &mailbox{topics: make(map[topic]struct{})}
		p.boxes[subscriber] = b
	}
	b.heard = true
	return b
}

func (p *publisher) subscribe(subscriber string, t topic) {
	b := p.box(subscriber)
	if _, twice := b.topics[t]; twice {
		return
	}
	b.topics[t] = struct{}{}
	p.listeners[t] = append(p.listeners[t], subscriber)
}

func (p *publisher) unsubscribe(subscriber string, t topic) {
	delete(p.box(subscriber).topics, t)
	p.unlisten(subscriber, t)
}

func (p *publisher) unlisten(subscriber string, t topic) {
	list := p.listeners[t]
	for i, one := range list {
		if one == subscriber {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(p.listeners, t)
		return
	}
	p.listeners[t] = list
}

// publish sends to everybody who listens.
func (p *publisher) publish(t topic, m *ray.PubMessage) {
	for _, subscriber := range p.listeners[t] {
		p.send(subscriber, t, m)
	}
}

// send puts a message of its own into one mailbox: each numbers it differently.
func (p *publisher) send(subscriber string, t topic, m *ray.PubMessage) {
	b := p.boxes[subscriber]
	m = proto.CloneOf(m)
	b.last++
	m.ChannelType, m.KeyId, m.SequenceId = t.channel, t.object.Bytes(), b.last
	b.queue = append(b.queue, m)
	p.answer(b)
}

// poll answers when there is something; of a subscriber's two polls the older one is answered with nothing. What was confirmed
// to another publisher, of the same address before us, is no word about ours.
func (p *publisher) poll(r *ray.PubsubLongPollingRequest, done func(*ray.PubsubLongPollingReply)) {
	b := p.box(string(r.SubscriberId))
	if string(r.PublisherId) == string(p.id[:]) {
		for len(b.queue) > 0 && b.queue[0].SequenceId <= r.MaxProcessedSequenceId {
			b.queue = b.queue[1:]
		}
	}
	p.hangUp(b)
	b.poll = done
	p.answer(b)
}

// answer gives the waiting poll what there is, if there is both.
func (p *publisher) answer(b *mailbox) {
	if b.poll == nil || len(b.queue) == 0 {
		return
	}
	done := b.poll
	b.poll = nil
	n := min(len(b.queue), batch)
	done(&ray.PubsubLongPollingReply{PubMessages: b.queue[:n:n], PublisherId: p.id.Bytes()})
}

func (p *publisher) hangUp(b *mailbox) {
	if b.poll != nil {
		done := b.poll
		b.poll = nil
		done(&ray.PubsubLongPollingReply{PublisherId: p.id.Bytes()})
	}
}

// sweep forgets the subscribers that were not heard of since the last sweep and have no poll waiting: they are dead.
func (p *publisher) sweep() {
	for subscriber, b := range p.boxes {
		if !b.heard && b.poll == nil {
			for t := range b.topics {
				p.unlisten(subscriber, t)
			}
			delete(p.boxes, subscriber)
			continue
		}
		b.heard = false
	}
}
