package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/actors"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// ActorHooks is what actors need of the core beyond the carrier's Config. Called under the state lock.
type ActorHooks struct {
	Changed func(ids.ActorID)
	Settle  func(*task.Entry, task.Verdict, peer.Reply)
}

// Actors carries between the directory of actors, the GCS and the actors' workers.
type Actors struct {
	c          *Carrier
	hooks      ActorHooks
	directory  *actors.Directory
	gcs        ray.ActorInfoGcsServiceClient
	subscriber *gcs.Subscriber
	watching   map[ids.ActorID]struct{}

	mu   sync.Mutex
	refs map[ids.ActorID]chan struct{} // closed when no handle is left
}

// NewActors makes the actors of a carrier's driver. Close of the carrier ends them.
func NewActors(c *Carrier, conn grpc.ClientConnInterface, hooks ActorHooks) *Actors {
	a := &Actors{c: c, hooks: hooks, gcs: ray.NewActorInfoGcsServiceClient(conn),
		subscriber: gcs.NewSubscriber(ray.NewControlPlanePubSubGcsServiceClient(conn), c.cfg.Worker),
		watching:   map[ids.ActorID]struct{}{}, refs: map[ids.ActorID]chan struct{}{}}
	a.directory = actors.New(a)
	return a
}

// Directory is the directory for the driver's submit.Actor queues.
func (a *Actors) Directory() *actors.Directory { return a.directory }

// Register implements actors.Host.
func (a *Actors) Register(e *task.Entry) {
	spec, err := a.c.cfg.Driver.Spec(a.c.cfg.Task(e.Spec, 0))
	a.handles(e.Spec.Actor) // before the GCS asks for it
	ready := a.c.ready(e.Spec)
	a.c.run(func(ctx context.Context) func() {
		if err == nil {
			err = ready(ctx)
		}
		if err == nil {
			var r *ray.RegisterActorReply
			if r, err = a.gcs.RegisterActor(ctx, &ray.RegisterActorRequest{TaskSpec: spec}); err == nil {
				err = gcs.Check(r.Status)
			}
		}
		return func() { a.directory.Registered(e.Spec.Actor, err) }
	})
}

// NameTaken is the code of a gcs.Refusal to register a named actor: another one has the name.
const NameTaken = 20

// Create implements actors.Host.
func (a *Actors) Create(e *task.Entry, args []objects.Value) {
	t := a.c.cfg.Task(e.Spec, 0)
	t.Args = args
	spec, err := a.c.cfg.Driver.Spec(t)
	a.c.run(func(ctx context.Context) func() {
		var r *ray.CreateActorReply
		if err == nil {
			// No deadline: it is answered when the actor lives, or cannot.
			if r, err = a.gcs.CreateActor(ctx, &ray.CreateActorRequest{TaskSpec: spec}); err == nil {
				err = gcs.Check(r.Status)
			}
		}
		return func() { a.directory.Created(e.Spec.Actor, r.GetActorAddress(), r.GetDeathCause(), err) }
	})
}

// Watch implements actors.Host.
func (a *Actors) Watch(id ids.ActorID) {
	if len(a.watching) == 0 {
		a.c.run(a.poll)
	}
	a.watching[id] = struct{}{}
	a.c.run(func(ctx context.Context) func() {
		t, err := a.subscribe(ctx, id)
		if err != nil {
			a.c.report("watch an actor", err)
			return nil
		}
		return func() { a.told(id, t) }
	})
}

// subscribe asks for the states of an actor, and then for that of now: what was before is not sent.
func (a *Actors) subscribe(ctx context.Context, id ids.ActorID) (*ray.ActorTableData, error) {
	if err := a.subscriber.Subscribe(ctx, id[:], ray.ChannelType_GCS_ACTOR_CHANNEL); err != nil {
		return nil, err
	}
	r, err := a.gcs.GetActorInfo(ctx, &ray.GetActorInfoRequest{ActorId: id[:]}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	return r.ActorTableData, nil
}

func (a *Actors) told(id ids.ActorID, t *ray.ActorTableData) {
	if t != nil { // nil: the GCS knows nothing of it
		a.directory.Told(id, t)
	}
}

// poll hears what is published until the carrier is closed.
func (a *Actors) poll(ctx context.Context) func() {
	a.subscriber.Hear(ctx, func(m *ray.PubMessage) {
		if t := m.GetActorMessage(); t != nil {
			// What is published has the state, and the actor's id in the key alone.
			id, err := ids.Actor(m.KeyId)
			if err != nil {
				a.c.report("hear of actors", err)
				return
			}
			a.c.cfg.Do(func() { a.told(id, t) })
		}
	}, func() { a.c.cfg.Do(a.again) }, func(err error) { a.c.report("hear of actors", err) })
	return nil
}

// again watches all actors anew: another GCS knows nothing of subscriptions, and what happened in between was not heard.
func (a *Actors) again() {
	for id := range a.watching {
		a.c.run(func(ctx context.Context) func() {
			t, err := a.subscribe(ctx, id)
			if err != nil {
				a.c.report("watch an actor again", err)
				return nil
			}
			return func() { a.told(id, t) }
		})
	}
}

// Kill implements actors.Host.
func (a *Actors) Kill(id ids.ActorID, noRestart bool) {
	a.c.run(func(ctx context.Context) func() {
		r, err := a.gcs.KillActorViaGcs(ctx, &ray.KillActorViaGcsRequest{ActorId: id[:], ForceKill: true, NoRestart: noRestart}, grpc.WaitForReady(true))
		a.c.report("kill an actor", errors.Join(err, gcs.Check(r.GetStatus())))
		return nil
	})
}

func (a *Actors) handles(id ids.ActorID) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refs[id] == nil {
		a.refs[id] = make(chan struct{})
	}
	return a.refs[id]
}

// LetGo implements actors.Host.
func (a *Actors) LetGo(id ids.ActorID) {
	none := a.handles(id)
	select {
	case <-none:
	default:
		close(none)
	}
}

// WaitForRefDeleted is what the driver's WaitForActorRefDeleted waits for: any answer of it before ends the actor.
func (a *Actors) WaitForRefDeleted(ctx context.Context, id ids.ActorID) error {
	select {
	case <-a.handles(id):
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// Executor implements actors.Host.
func (a *Actors) Executor(id ids.ActorID, at *ray.Address) peer.Executor {
	to, err := address(at)
	return &incarnation{a: a, id: id, at: to, err: err, running: map[ids.TaskID]chan struct{}{}}
}

// Changed implements actors.Host.
func (a *Actors) Changed(id ids.ActorID) { a.hooks.Changed(id) }

// Settle implements actors.Host.
func (a *Actors) Settle(e *task.Entry, v task.Verdict, r peer.Reply) { a.hooks.Settle(e, v, r) }

// After implements actors.Host.
func (a *Actors) After(d time.Duration, fn func()) func() { return a.c.cfg.After(d, fn) }

// incarnation is the worker that an actor lives in, until it is made anew.
type incarnation struct {
	a       *Actors
	id      ids.ActorID
	at      raylet.Address
	err     error // of an address that is none
	calls   actors.Sequence
	running map[ids.TaskID]chan struct{} // closed when it has ended
}

func (e *incarnation) worker() (ray.CoreWorkerServiceClient, error) {
	if e.err != nil {
		return nil, e.err
	}
	conn, err := e.a.c.cfg.Dial(e.at)
	if err != nil {
		return nil, err
	}
	return ray.NewCoreWorkerServiceClient(conn), nil
}

// PushTask implements peer.Executor. The worker brings the calls into order by their numbers.
func (e *incarnation) PushTask(p *peer.Push) {
	c, group := e.a.c, p.Spec.Group
	number, upTo := e.calls.Next(group)
	t := c.cfg.Task(p.Spec, p.Attempt)
	t.Args, t.Sequence = p.Args, number
	spec, err := c.cfg.Driver.Pushed(t)
	ended := make(chan struct{})
	e.running[p.Spec.ID] = ended
	end := func(r peer.Reply) {
		e.calls.Answered(group, number)
		delete(e.running, p.Spec.ID)
		close(ended)
		p.Done(r)
	}
	c.pushed(p, e.at)
	request := &ray.PushTaskRequest{IntendedWorkerId: e.at.Worker[:], TaskSpec: spec, SequenceNumber: int64(number), ClientProcessedUpTo: upTo}
	c.runAt(e.at.Node, func(ctx context.Context) func() {
		if err != nil {
			return func() { end(peer.Reply{End: task.Died, Text: err.Error()}) }
		}
		var r *ray.PushTaskReply
		client, err := e.worker()
		if err == nil {
			r, err = client.PushTask(ctx, request)
		}
		if err != nil {
			return func() {
				reply := wire.Refused(err)
				if reply.End == task.NotStarted {
					end(reply)
					return
				}
				e.a.directory.News(e.id, e, func() { end(reply) })
			}
		}
		return func() {
			if c.cfg.Replied != nil {
				c.cfg.Replied(p.Spec, e.at, r)
			}
			var stored wire.Stored
			if c.cfg.Stored != nil {
				stored = c.cfg.Stored(e.at.Node)
			}
			end(wire.Reply(p.Spec, r, stored))
		}
	})
}

// CancelTask implements peer.Executor. It is sent again while the worker does not know the task, which may be on its way.
func (e *incarnation) CancelTask(r peer.CancelRequest) peer.CancelReply {
	ended := e.running[r.Task]
	if ended == nil {
		return peer.CancelReply{}
	}
	request := &ray.CancelTaskRequest{IntendedTaskId: r.Task.Bytes(), Recursive: r.Recursive, CallerWorkerId: e.a.c.cfg.Worker[:]}
	e.a.c.run(func(ctx context.Context) func() {
		untilDone(ctx, ended, func(ctx context.Context) (bool, error) {
			client, err := e.worker()
			if err != nil {
				return false, err
			}
			reply, err := client.CancelTask(ctx, request)
			return reply.GetAttemptSucceeded(), err
		})
		return nil
	})
	return peer.CancelReply{Running: true}
}

// untilDone tries until it is done, or there is nothing to do any more. An error tells nothing that the task's own end does not.
func untilDone(ctx context.Context, ended <-chan struct{}, try func(context.Context) (bool, error)) {
	for {
		short, cancel := context.WithTimeout(ctx, patience)
		done, err := try(short)
		cancel()
		if done && err == nil {
			return
		}
		again := time.NewTimer(cancelAgain)
		select {
		case <-again.C:
			continue
		case <-ended:
		case <-ctx.Done():
		}
		again.Stop()
		return
	}
}

// TakeBack implements peer.Executor: an actor keeps what it has been sent.
func (e *incarnation) TakeBack() int { return 0 }

// NamedActor is the creation spec of the living actor that has the name, and its state. A gcs.Refusal: there is none.
func (a *Actors) NamedActor(ctx context.Context, namespace, name string) (*ray.TaskSpec, *ray.ActorTableData, error) {
	r, err := a.gcs.GetNamedActorInfo(ctx, &ray.GetNamedActorInfoRequest{Name: name, RayNamespace: namespace})
	if err != nil {
		return nil, nil, fmt.Errorf("actor %q in namespace %q: %w", name, namespace, err)
	}
	return r.TaskSpec, r.ActorTableData, gcs.Check(r.Status)
}

// Names are those of the living named actors of a namespace, or of all.
func (a *Actors) Names(ctx context.Context, namespace string, all bool) ([]*ray.NamedActorInfo, error) {
	r, err := a.gcs.ListNamedActors(ctx, &ray.ListNamedActorsRequest{AllNamespaces: all, RayNamespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("the names of actors: %w", err)
	}
	return r.NamedActorsList, gcs.Check(r.Status)
}
