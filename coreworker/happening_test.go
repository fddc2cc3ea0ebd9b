package coreworker

import (
	"testing"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/events"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// stage is a core with one worker whose runs a test ends by hand.
type stage struct {
	core    *Core
	exec    *execute.Executor
	lane    *execute.Lane
	tickets int
	n       byte
}

// Prepare implements Processes: nothing has to be set up.
func (*stage) Prepare(embedded.Kind, func(string)) bool { return true }

func (*stage) Forget(ids.JobID) {}

func (s *stage) Spawn(ids.WorkerID, embedded.Kind, func(Child), func(Obituary)) {}
func (s *stage) Run(*execute.Run)                                               {}
func (s *stage) CancelRun(ids.TaskID)                                           {}
func (s *stage) OpenLane(string)                                                {}
func (s *stage) Flag(uint64)                                                    {}
func (s *stage) Wake(ids.TaskID)                                                {}
func (s *stage) Exit(bool, string)                                              {}
func (s *stage) Close()                                                         {}
func (s *stage) Grant(n int)                                                    { s.tickets += n }
func (s *stage) TakeTickets() int                                               { n := s.tickets; s.tickets = 0; return n }
func (s *stage) Interrupt()                                                     {}
func (s *stage) Kill()                                                          {}
func (s *stage) PID() int                                                       { return 7 }

func newStage(t *testing.T) *stage {
	s := &stage{}
	s.core = New(Config{Resources: sched.CPUs(1), ArenaBytes: 1 << 20, Processes: s,
		Reserve: func(uint64, uint64) error { return nil }, Report: func(err error) { t.Error(err) }, Prestart: 1})
	s.core.Start()
	for _, p := range s.core.procs {
		childOf(p.worker).real = s
		p.worker.PID = 7
		s.exec = p.worker.Exec
		s.lane = s.exec.Attach(s, "", false, 0)
	}
	t.Cleanup(s.core.Close)
	return s
}

func (s *stage) push(name string, quiet bool) ids.TaskID {
	s.n++
	id := ids.TaskID{s.n}
	s.exec.PushTask(&peer.Push{Spec: &task.Spec{ID: id, Name: name, NoEvents: quiet}, Done: func(peer.Reply) {}})
	return id
}

func (s *stage) happened() []events.Attempt { return s.core.Happened(0, 100).Attempts }

// What waits in the window behind a running task has not begun: its time counts from the end of the one before it.
func TestARunBeginsWhenTheOneBeforeItEnds(t *testing.T) {
	s := newStage(t)
	first, second := s.push("first", false), s.push("second", false)
	s.tickets-- // the first one begins
	s.exec.Finished(first, 0, peer.Reply{End: task.OK})
	s.tickets--
	s.exec.Finished(second, 0, peer.Reply{End: task.Failed, Text: "boom"})
	got := s.happened()
	if len(got) != 2 || got[0].Name != "first" || got[1].Name != "second" {
		t.Fatalf("%+v", got)
	}
	if got[0].Started == 0 || got[0].Started > got[0].Ended || got[1].Started < got[0].Ended || got[1].Started > got[1].Ended {
		t.Errorf("first %v to %v, second %v to %v", got[0].Started, got[0].Ended, got[1].Started, got[1].Ended)
	}
	if got[0].End != task.OK || got[0].Text != "" || got[1].End != task.Failed || got[1].Text != "boom" || got[1].PID != 7 {
		t.Errorf("%+v", got)
	}
}

func TestWhatNeverBeganLeavesNoEvent(t *testing.T) {
	s := newStage(t)
	s.push("running", false)
	s.push("behind", false)
	s.tickets-- // running begins
	s.exec.TakeBack()
	if got := s.happened(); len(got) != 0 {
		t.Errorf("taken back: %+v", got)
	}
	s.push("queued", false)
	s.exec.Die(peer.Reply{End: task.Died, Text: "signal 9"})
	if got := s.happened(); len(got) != 1 || got[0].Name != "running" || got[0].End != task.Died || got[0].Text != "signal 9" {
		t.Errorf("died: %+v", got)
	}
}

func TestATaskWithoutEventsLeavesNone(t *testing.T) {
	s := newStage(t)
	id := s.push("quiet", true)
	s.exec.Finished(id, 0, peer.Reply{End: task.OK})
	if got := s.happened(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAGetOfWhatTasksReturnIsNoted(t *testing.T) {
	s := newStage(t)
	var asker *Process
	for _, p := range s.core.procs {
		asker = p
	}
	one, in := ids.TaskID{1}, ids.TaskID{2}
	asked := s.core.Now()
	s.core.took(Asker{Process: asker}, []ids.ObjectID{one.Return(1), one.Return(ids.PutIndexBase + 1)}, 0)
	s.core.took(Asker{Process: asker, Task: in, HasTask: true}, []ids.ObjectID{one.Return(2)}, asked)
	got := s.core.Got(0, 100)
	if len(got.Taken) != 2 || got.Next != 2 {
		t.Fatalf("%+v", got)
	}
	first, second := got.Taken[0], got.Taken[1]
	if first.Task != one || first.By != asker.ID || first.In != (ids.TaskID{}) || first.Asked != first.Answered {
		t.Errorf("%+v", first)
	}
	if second.In != in || second.Asked != asked || second.Answered < asked {
		t.Errorf("%+v", second)
	}
}
