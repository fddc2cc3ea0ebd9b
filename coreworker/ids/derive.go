package ids

import "encoding/binary"

// PutIndexBase is added to the number of a put, 1, 2, …, to make the index of its object id. What lies at or below it
// is a return.
const PutIndexBase = 100_000_000

const (
	taskUnique  = TaskLen - ActorLen // the leading unique bytes of a task id
	actorUnique = ActorLen - JobLen  // the leading unique bytes of an actor id
)

// JobFromInt makes a job id from its number.
func JobFromInt(n uint32) (id JobID) {
	binary.LittleEndian.PutUint32(id[:], n)
	return id
}

// Int is the number of the job.
func (id JobID) Int() uint32 { return binary.LittleEndian.Uint32(id[:]) }

// NilActor is the "no actor" of a job: what the id of a normal task or of the driver's task holds.
func NilActor(job JobID) (id ActorID) {
	ff(id[:actorUnique])
	copy(id[actorUnique:], job[:])
	return id
}

// Job is the job that made the actor.
func (id ActorID) Job() JobID { return JobID(id[actorUnique:]) }

// IsNone says whether the id stands for "no actor", whatever the job.
func (id ActorID) IsNone() bool { return allFF(id[:actorUnique]) }

// CreationTask is the id of the task that runs the actor's __init__.
func (id ActorID) CreationTask() (t TaskID) {
	ff(t[:taskUnique])
	copy(t[taskUnique:], id[:])
	return t
}

// Handle is the object id under which Ray counts the handles of an actor: return 1 of its creation task.
func (id ActorID) Handle() ObjectID { return id.CreationTask().Return(1) }

// DriverTask is the task that the driver's main program counts as.
func DriverTask(job JobID) TaskID { return NilActor(job).CreationTask() }

// DriverWorker is the worker id of a job's driver.
func DriverWorker(job JobID) (id WorkerID) {
	ff(id[:])
	copy(id[:], job[:])
	return id
}

// Actor is the actor the task belongs to; see ActorID.IsNone for a task of none.
func (id TaskID) Actor() ActorID { return ActorID(id[taskUnique:]) }

// Job is the job that submitted the task.
func (id TaskID) Job() JobID { return JobID(id[TaskLen-JobLen:]) }

// IsActorCreation says whether the task runs an actor's __init__.
func (id TaskID) IsActorCreation() bool { return allFF(id[:taskUnique]) && !id.Actor().IsNone() }

// IsActorTask says whether the task is a method call on an actor; the creation is not.
func (id TaskID) IsActorTask() bool { return !allFF(id[:taskUnique]) && !id.Actor().IsNone() }

// IsDriverTask says whether this is the task of a driver's main program.
func (id TaskID) IsDriverTask() bool { return allFF(id[:taskUnique]) && id.Actor().IsNone() }

// Return is the id of the i-th return, counted from 1.
func (id TaskID) Return(i uint32) (o ObjectID) {
	copy(o[:], id[:])
	binary.LittleEndian.PutUint32(o[TaskLen:], i)
	return o
}

// Put is the id of the n-th put, counted from 1, in the given attempt of the task. The attempt takes the place of the
// first byte, so that a task that runs again does not overwrite what its former run put.
func (id TaskID) Put(attempt uint8, n uint32) ObjectID {
	id[0] = attempt
	return id.Return(PutIndexBase + n)
}

// Task is the task that makes the object. The task of a put has its first byte replaced (see TaskID.Put), so it is
// good for Actor and Job but not as a key.
func (id ObjectID) Task() TaskID { return TaskID(id[:TaskLen]) }

// Job is the job that the object belongs to.
func (id ObjectID) Job() JobID { return id.Task().Job() }

// Index is the place among the task's returns, counted from 1, or PutIndexBase plus the number of the put.
func (id ObjectID) Index() uint32 { return binary.LittleEndian.Uint32(id[TaskLen:]) }

// IsPut says whether the object was put rather than returned.
func (id ObjectID) IsPut() bool { return id.Index() > PutIndexBase }

func ff(b []byte) {
	for i := range b {
		b[i] = 0xFF
	}
}
