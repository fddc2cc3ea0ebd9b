package cluster

import (
	"encoding/json"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/proto/ray"
)

func TestPlain(t *testing.T) {
	for name, c := range map[string]struct {
		m    proto.Message
		want string
	}{
		"nothing is set": {&ray.TaskStateUpdate{}, `{"state_ts_ns":{}}`},
		"what is set, though it is zero": {&ray.TaskStateUpdate{WorkerPid: proto.Int32(0), IsDebuggerPaused: proto.Bool(false)},
			`{"is_debugger_paused":false,"state_ts_ns":{},"worker_pid":0}`},
		"a map with numbers, larger than a float's": {&ray.TaskStateUpdate{StateTsNs: map[int32]int64{11: 1<<62 + 1}},
			`{"state_ts_ns":{"11":4611686018427387905}}`},
		"bytes, a message inside, a list": {&ray.Bundle{BundleId: &ray.Bundle_BundleIdentifier{PlacementGroupId: []byte{1, 0xab}}, UnitResources: map[string]float64{"CPU": .5}},
			`{"bundle_id":{"bundle_index":0,"placement_group_id":"01ab"},"label_selector":{},"node_id":"","unit_resources":{"CPU":0.5}}`},
		"one of several": {&ray.ActorDeathCause{Context: &ray.ActorDeathCause_OomContext{OomContext: &ray.OomContext{ErrorMessage: "<full>"}}},
			`{"oom_context":{"error_message":"\u003cfull\u003e","fail_immediately":false}}`},
		"an enum, and one of a later release": {&ray.GetTaskEventsRequest_Filters_JobIdFilter{Predicate: ray.FilterPredicate_NOT_EQUAL}, `{"job_id":"","predicate":"NOT_EQUAL"}`},
		"of a later release":                  {&ray.GetTaskEventsRequest_Filters_JobIdFilter{Predicate: 77}, `{"job_id":"","predicate":77}`},
		"a list, and no number":               {&ray.FallbackStrategy{Options: []*ray.FallbackOption{{}}}, `{"options":[{}]}`},
		"not a number":                        {&ray.ErrorTableData{Timestamp: math.Inf(1)}, `{"error_message":"","job_id":"","timestamp":"+Inf","type":""}`},
	} {
		if got, err := json.Marshal(plain(c.m.ProtoReflect())); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
