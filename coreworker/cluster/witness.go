package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/history"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// The GCS lists tasks by what their owners and their workers tell it. A driver tells what only it knows: what there is, what waits, to
// whom it was sent, and how it ended. Ray's numbers (src/ray/common/ray_config_def.h, task_events_…).
const (
	keptAttempts  = 100_000
	batchAttempts = 10_000
	historyEvery  = time.Second
	// historyEnd is how long a driver that leaves tries to tell the rest.
	historyEnd = 2 * time.Second
)

// witness implements submit.Witness.
type witness struct{ d *Driver }

// Witness implements backend.Cluster.
func (d *Driver) Witness() submit.Witness { return witness{d} }

// beginHistory tells of the driver itself, and then of its tasks, until it leaves.
func (d *Driver) beginHistory() {
	self := ids.DriverTask(d.job)
	d.history.Note(history.Attempt{Task: self}, ray.TaskStatus_RUNNING, time.Now(), func(e *ray.TaskEvents) {
		e.TaskInfo = &ray.TaskInfoEntry{Type: ray.TaskType_DRIVER_TASK, JobId: d.job.Bytes(), TaskId: self.Bytes(), ParentTaskId: ids.TaskID{}.Bytes()}
	})
	d.work.Go(func() {
		tick := time.NewTicker(historyEvery)
		defer tick.Stop()
		for {
			select {
			case <-d.ctx.Done():
				return
			case <-tick.C:
				d.tell(d.ctx)
			}
		}
	})
}

// endHistory tells the rest.
func (d *Driver) endHistory() {
	ctx, cancel := context.WithTimeout(context.Background(), historyEnd)
	defer cancel()
	for d.tell(ctx) {
		continue
	}
}

// tell tells what there is, and says whether that was anything and was heard.
func (d *Driver) tell(ctx context.Context) bool {
	// One at a time: who tells before he asks is not to overtake what another took out and has on its way.
	select {
	case d.telling <- struct{}{}:
		defer func() { <-d.telling }()
	case <-ctx.Done():
		return false
	}
	data := d.history.Take(batchAttempts)
	if data == nil {
		return false
	}
	r, err := ray.NewTaskInfoGcsServiceClient(d.gcs.Conn()).AddTaskEventData(ctx, &ray.AddTaskEventDataRequest{Data: data})
	if err == nil {
		err = gcs.Check(r.Status)
	}
	if err != nil {
		d.history.Lost(data)
		d.report(fmt.Errorf("tell the cluster of %d tasks: %w", len(data.EventsByTask), err))
	}
	return err == nil
}

func (w witness) note(e *task.Entry, attempt int, status ray.TaskStatus, add func(*ray.TaskEvents)) {
	if !e.Spec.NoEvents {
		w.d.history.Note(history.Attempt{Task: e.Spec.ID, Number: attempt}, status, time.Now(), add)
	}
}

// Submitted implements submit.Witness.
func (w witness) Submitted(e *task.Entry) { w.begins(e, e.Attempt) }

func (w witness) begins(e *task.Entry, attempt int) {
	w.note(e, attempt, ray.TaskStatus_PENDING_ARGS_AVAIL, func(t *ray.TaskEvents) { t.TaskInfo = w.d.describe(e.Spec) })
}

// Ready implements submit.Witness.
func (w witness) Ready(e *task.Entry) {
	w.note(e, e.Attempt, ray.TaskStatus_PENDING_NODE_ASSIGNMENT, nil)
}

// Again implements submit.Witness.
func (w witness) Again(e *task.Entry, r peer.Reply) {
	w.failed(e, r.Error, r.Text)
	w.begins(e, e.Attempt+1)
}

// Settled implements submit.Witness.
func (w witness) Settled(e *task.Entry, failure objects.Value, text string) {
	if !failure.IsError {
		w.note(e, e.Attempt, ray.TaskStatus_FINISHED, nil)
		return
	}
	w.failed(e, failure, text)
}

func (w witness) failed(e *task.Entry, failure objects.Value, text string) {
	w.note(e, e.Attempt, ray.TaskStatus_FAILED, func(t *ray.TaskEvents) {
		kind, is := objects.Metadata(failure.Metadata)
		if !is {
			kind = objects.WorkerDiedType // no value was made: it is to be tried again
		}
		if info, err := objects.ErrorInfo(failure); is && err == nil && info.ErrorMessage != "" {
			text = info.ErrorMessage
		}
		t.StateUpdates.ErrorInfo = &ray.RayErrorInfo{ErrorType: ray.ErrorType(kind), ErrorMessage: strings.ToValidUTF8(text, "\uFFFD")}
	})
}

// pushed says that a worker is given a task.
func (d *Driver) pushed(s *task.Spec, attempt int, to raylet.Address) {
	if s.NoEvents {
		return
	}
	d.history.Note(history.Attempt{Task: s.ID, Number: attempt}, ray.TaskStatus_SUBMITTED_TO_WORKER, time.Now(), func(t *ray.TaskEvents) {
		t.StateUpdates.NodeId, t.StateUpdates.WorkerId = to.Node.Bytes(), to.Worker.Bytes()
	})
}

// describe is what lists show of a task.
func (d *Driver) describe(s *task.Spec) *ray.TaskInfoEntry {
	parent := s.Parent
	if parent.IsNil() {
		parent = ids.DriverTask(d.job)
	}
	f := d.function(s)
	i := &ray.TaskInfoEntry{Type: ray.TaskType_NORMAL_TASK, Name: wire.Name(s), FuncOrClassName: last(f.Name), JobId: d.job.Bytes(), TaskId: s.ID.Bytes(),
		ParentTaskId: parent.Bytes(), RequiredResources: wire.Resources(s.Resources, s.Place), RuntimeEnvInfo: wire.Environment(s.Env, d.cfg.RuntimeEnv)}
	if f.Class != "" {
		i.FuncOrClassName = last(f.Class) + "." + i.FuncOrClassName
	}
	switch s.Type {
	case task.ActorMethod:
		i.Type, i.ActorId = ray.TaskType_ACTOR_TASK, s.Actor.Bytes()
	case task.ActorCreation:
		i.Type, i.ActorId = ray.TaskType_ACTOR_CREATION_TASK, s.Actor.Bytes()
	}
	if s.Place.InGroup() {
		i.PlacementGroupId = s.Place.Group.Bytes()
	}
	return i
}

// last is a name without where it was defined.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
