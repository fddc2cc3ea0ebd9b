package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// What people are shown of a cluster is what the GCS has in its tables, in the words of its messages: nothing of the driver's own is
// mixed in, so that all drivers of a cluster are told the same.

// Rows implements backend.Cluster.
func (d *Driver) Rows(t backend.Table, most int, conditions []backend.Condition, answer func([]byte, error)) {
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		if t == backend.TaskTable {
			// What the program has done before it asked is to be in the answer.
			for range keptAttempts / batchAttempts {
				if !d.tell(ctx) {
					break
				}
			}
		}
		messages, err := d.table(ctx, t, int64(most), conditions)
		var out []byte
		if err == nil {
			rows := make([]map[string]any, len(messages))
			for i, m := range messages {
				rows[i] = plain(m.ProtoReflect())
			}
			out, err = json.Marshal(rows)
		}
		if err != nil {
			err = fmt.Errorf("ask the cluster for its %s: %w", t, err)
		}
		d.core.Do(func() { answer(out, err) })
	})
}

// table asks for one table. The GCS leaves out what does not fulfil the conditions that it knows, before it counts to `most`.
func (d *Driver) table(ctx context.Context, t backend.Table, most int64, conditions []backend.Condition) ([]proto.Message, error) {
	conn := d.gcs.Conn()
	switch t {
	case backend.TaskTable:
		r, err := ray.NewTaskInfoGcsServiceClient(conn).GetTaskEvents(ctx, &ray.GetTaskEventsRequest{Limit: &most, Filters: taskFilters(conditions)})
		return told(r.GetEventsByTask(), r.GetStatus(), err)
	case backend.ActorTable:
		r, err := ray.NewActorInfoGcsServiceClient(conn).GetAllActorInfo(ctx, &ray.GetAllActorInfoRequest{Limit: &most, Filters: actorFilters(conditions)})
		return told(r.GetActorTableData(), r.GetStatus(), err)
	case backend.NodeTable:
		r, err := ray.NewNodeInfoGcsServiceClient(conn).GetAllNodeInfo(ctx, &ray.GetAllNodeInfoRequest{Limit: &most})
		return told(r.GetNodeInfoList(), r.GetStatus(), err)
	case backend.GroupTable:
		r, err := ray.NewPlacementGroupInfoGcsServiceClient(conn).GetAllPlacementGroup(ctx, &ray.GetAllPlacementGroupRequest{Limit: &most})
		return told(r.GetPlacementGroupTableData(), r.GetStatus(), err)
	case backend.JobTable:
		// Whether tasks of a job run the GCS would have to ask each driver.
		r, err := ray.NewJobInfoGcsServiceClient(conn).GetAllJobInfo(ctx, &ray.GetAllJobInfoRequest{SkipIsRunningTasksField: proto.Bool(true)})
		return told(r.GetJobInfoList(), r.GetStatus(), err)
	case backend.WorkerTable:
		r, err := ray.NewWorkerInfoGcsServiceClient(conn).GetAllWorkerInfo(ctx, &ray.GetAllWorkerInfoRequest{Limit: &most})
		return told(r.GetWorkerTableData(), r.GetStatus(), err)
	}
	return nil, fmt.Errorf("it has no table %d", t)
}

func told[M proto.Message](rows []M, s *ray.GcsStatus, err error) ([]proto.Message, error) {
	if err == nil {
		err = gcs.Check(s)
	}
	out := make([]proto.Message, len(rows))
	for i, m := range rows {
		out[i] = m
	}
	return out, err
}

// taskFilters are the conditions that the GCS knows. An id that is none is no condition: the GCS ends its process on one of another
// length.
func taskFilters(conditions []backend.Condition) *ray.GetTaskEventsRequest_Filters {
	f := &ray.GetTaskEventsRequest_Filters{ExcludeDriver: proto.Bool(true)}
	for _, c := range conditions {
		how := ray.FilterPredicate_EQUAL
		if c.Differs {
			how = ray.FilterPredicate_NOT_EQUAL
		}
		switch raw, _ := hex.DecodeString(c.Value); c.Field {
		case "job_id":
			if _, err := ids.Job(raw); err == nil {
				f.JobFilters = append(f.JobFilters, &ray.GetTaskEventsRequest_Filters_JobIdFilter{Predicate: how, JobId: raw})
			}
		case "task_id":
			if _, err := ids.Task(raw); err == nil {
				f.TaskFilters = append(f.TaskFilters, &ray.GetTaskEventsRequest_Filters_TaskIdFilter{Predicate: how, TaskId: raw})
			}
		case "actor_id":
			if _, err := ids.Actor(raw); err == nil {
				f.ActorFilters = append(f.ActorFilters, &ray.GetTaskEventsRequest_Filters_ActorIdFilter{Predicate: how, ActorId: raw})
			}
		case "state":
			f.StateFilters = append(f.StateFilters, &ray.GetTaskEventsRequest_Filters_StateFilter{Predicate: how, State: c.Value})
		}
	}
	return f
}

func actorFilters(conditions []backend.Condition) *ray.GetAllActorInfoRequest_Filters {
	f := &ray.GetAllActorInfoRequest_Filters{}
	for _, c := range conditions {
		raw, _ := hex.DecodeString(c.Value)
		if c.Differs {
			continue
		}
		switch c.Field {
		case "actor_id":
			if _, err := ids.Actor(raw); err == nil {
				f.ActorId = raw
			}
		case "job_id":
			if _, err := ids.Job(raw); err == nil {
				f.JobId = raw
			}
		}
	}
	return f
}
