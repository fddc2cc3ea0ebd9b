package gcs

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// hearAgain is how long after a failed poll the next one begins. The GCS may be starting anew.
const hearAgain = 2 * time.Second

// Publisher is one of the GCS's two services that publish: that of actors, jobs, nodes and workers
// (ray.ControlPlanePubSubGcsServiceClient), and that of what workers print and of errors (ray.ObservabilityPubSubServiceClient). A
// subscription to a channel of the other one brings nothing.
type Publisher interface {
	GcsSubscriberPoll(context.Context, *ray.GcsSubscriberPollRequest, ...grpc.CallOption) (*ray.GcsSubscriberPollReply, error)
	GcsSubscriberCommandBatch(context.Context, *ray.GcsSubscriberCommandBatchRequest, ...grpc.CallOption) (*ray.GcsSubscriberCommandBatchReply, error)
}

// Subscriber hears what a publisher publishes.
type Subscriber struct {
	from   Publisher
	id     []byte
	worker []byte
}

// NewSubscriber makes one that has subscribed to nothing. worker is the driver's.
func NewSubscriber(from Publisher, worker ids.WorkerID) *Subscriber {
	s := &Subscriber{from: from, id: make([]byte, ids.UniqueLen), worker: worker.Bytes()}
	_, _ = rand.Read(s.id) // never fails: it ends the program instead
	return s
}

// Subscribe asks for what is published under a key from now on; without a key, for all of the channels. What was before is not sent.
func (s *Subscriber) Subscribe(ctx context.Context, key []byte, channels ...ray.ChannelType) error {
	r := &ray.GcsSubscriberCommandBatchRequest{SubscriberId: s.id, SenderId: s.worker}
	for _, channel := range channels {
		r.Commands = append(r.Commands, &ray.Command{ChannelType: channel, KeyId: key,
			CommandMessageOneOf: &ray.Command_SubscribeMessage{SubscribeMessage: &ray.SubMessage{}}})
	}
	_, err := s.from.GcsSubscriberCommandBatch(ctx, r, grpc.WaitForReady(true))
	return err
}

// Hear calls message with each thing that is published, in order and once, until ctx ends. again is called where the GCS is another
// one: it knows of no subscription, and what happened in between was not heard. failed is told of polls that fail; the next one
// follows in a moment.
func (s *Subscriber) Hear(ctx context.Context, message func(*ray.PubMessage), again func(), failed func(error)) {
	publisher, seen := make([]byte, 0), int64(0)
	for ctx.Err() == nil {
		r, err := s.from.GcsSubscriberPoll(ctx, &ray.GcsSubscriberPollRequest{SubscriberId: s.id, MaxProcessedSequenceId: seen, PublisherId: publisher}, grpc.WaitForReady(true))
		if err != nil {
			if ctx.Err() == nil {
				failed(err)
			}
			pause(ctx)
			continue
		}
		if string(publisher) != string(r.PublisherId) {
			if len(publisher) > 0 {
				again()
			}
			publisher, seen = r.PublisherId, 0
		}
		for _, m := range r.PubMessages {
			if m.SequenceId > seen { // else it came with an answer that was thought lost
				seen = m.SequenceId
				message(m)
			}
		}
	}
}

func pause(ctx context.Context) {
	t := time.NewTimer(hearAgain)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
