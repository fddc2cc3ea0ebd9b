package objects_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

func TestWhoIsNotMeantSaysSo(t *testing.T) {
	s := objects.NewService(ids.WorkerID{1}, func([]objects.Free) {})
	other, id := ids.WorkerID{2}, ids.ObjectID{3}
	var errs []error
	_, err := s.GetObjectStatus(t.Context(), &ray.GetObjectStatusRequest{OwnerWorkerId: other[:], ObjectId: id[:]})
	errs = append(errs, err)
	_, err = s.UpdateObjectLocationBatch(t.Context(), &ray.UpdateObjectLocationBatchRequest{IntendedWorkerId: other[:]})
	errs = append(errs, err)
	_, err = s.GetObjectLocationsOwner(t.Context(), &ray.GetObjectLocationsOwnerRequest{IntendedWorkerId: other[:]})
	errs = append(errs, err)
	_, err = s.PubsubCommandBatch(t.Context(), &ray.PubsubCommandBatchRequest{Commands: []*ray.Command{{KeyId: id[:],
		CommandMessageOneOf: &ray.Command_SubscribeMessage{SubscribeMessage: &ray.SubMessage{SubMessageOneOf: &ray.SubMessage_WorkerObjectLocationsMessage{
			WorkerObjectLocationsMessage: &ray.WorkerObjectLocationsSubMessage{IntendedWorkerId: other[:]}}}}}}})
	errs = append(errs, err)
	for i, err := range errs {
		if status.Code(err) != codes.Aborted {
			t.Errorf("%d: %v", i, err)
		}
	}
	s.Do(func(o *objects.Owner) []objects.Free { o.Expect(id); return nil })
	time.AfterFunc(time.Millisecond, s.Close)
	self := ids.WorkerID{1}
	if _, err := s.GetObjectStatus(t.Context(), &ray.GetObjectStatusRequest{OwnerWorkerId: self[:], ObjectId: id[:]}); status.Code(err) != codes.Unavailable {
		t.Errorf("at the end: %v", err)
	}
}
