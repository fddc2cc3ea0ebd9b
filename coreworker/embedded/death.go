package embedded

import (
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
)

// deathOf is the error object that calls to a dead actor get.
func (d *Actors) deathOf(a *actor, text string, reason objects.DeathReason, pid int, neverStarted bool) objects.Value {
	return objects.ActorDied(d.obituary(a, text, reason, pid, neverStarted))
}

// failedCreation is the same for an actor whose constructor raised: the exception is the cause.
func (d *Actors) failedCreation(a *actor, r peer.Reply) objects.Value {
	return objects.ActorInitFailed(d.obituary(a, r.Text, objects.DeathOfWorker, 0, true), r.Error)
}

func (d *Actors) obituary(a *actor, text string, reason objects.DeathReason, pid int, neverStarted bool) objects.Death {
	c := a.spec.Creation
	return objects.Death{Actor: a.id, Reason: reason, Text: text, ClassName: c.ClassName, Name: c.Name,
		Namespace: c.Namespace, PID: uint32(pid), NeverStarted: neverStarted}
}
