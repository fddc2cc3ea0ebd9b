package ids

import "crypto/rand"

// NewWorkerID makes a worker id that was never used before.
func NewWorkerID() (id WorkerID) { chance(id[:]); return id }

// NewNodeID makes a node id that was never used before.
func NewNodeID() (id NodeID) { chance(id[:]); return id }

// NewFunctionID makes a function id that was never used before. Ray hashes the function instead; nobody derives it
// again.
func NewFunctionID() (id FunctionID) { chance(id[:]); return id }

// NewActorID makes an id for an actor of the job.
func NewActorID(job JobID) (id ActorID) {
	chance(id[:actorUnique])
	copy(id[actorUnique:], job[:])
	return id
}

// NewTaskID makes an id for a normal task of the job.
func NewTaskID(job JobID) TaskID { return NewActorTaskID(NilActor(job)) }

// NewActorTaskID makes an id for a method call on the actor.
func NewActorTaskID(actor ActorID) (id TaskID) {
	chance(id[:taskUnique])
	copy(id[taskUnique:], actor[:])
	return id
}

// chance fills b. crypto/rand.Read ends the program where the system has no random source; it returns no error.
func chance(b []byte) { _, _ = rand.Read(b) }
