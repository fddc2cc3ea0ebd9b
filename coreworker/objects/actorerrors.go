package objects

import (
	"strings"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/rayvalue"
)

// DeathReason is Ray's number for why an actor is dead.
type DeathReason int32

// Ray's numbers.
const (
	DeathUnspecified DeathReason = 0
	DeathOfWorker    DeathReason = 1
	DeathOfOwner     DeathReason = 2
	DeathOfNode      DeathReason = 3
	DeathByKill      DeathReason = 4
	DeathOutOfScope  DeathReason = 5
	DeathRefDeleted  DeathReason = 6
)

// Death is what is known of a dead actor; Python prints the fields that are set.
type Death struct {
	Actor        ids.ActorID
	Reason       DeathReason
	Text         string // what happened, in a sentence
	ClassName    string
	Name         string // of a named actor
	Namespace    string
	PID          uint32
	NeverStarted bool // it was gone before its process ran
}

// ActorDied is what a call leaves whose actor is dead for good (ActorDiedError).
func ActorDied(d Death) Value {
	cause := &rayvalue.ActorDied{
		ErrorMessage: text(d.Text),
		ActorId:      d.Actor.Bytes(),
		Reason:       int32(d.Reason),
		ClassName:    text(d.ClassName),
		Name:         text(d.Name),
		RayNamespace: text(d.Namespace),
		Pid:          d.PID,
		NeverStarted: d.NeverStarted,
	}
	return ErrorValue(ActorDiedType, &rayvalue.ErrorInfo{
		ErrorMessage: cause.ErrorMessage,
		Detail: &rayvalue.ErrorInfo_ActorDied{ActorDied: &rayvalue.ActorDeathCause{
			Context: &rayvalue.ActorDeathCause_Died{Died: cause},
		}},
	})
}

// ActorInitFailed is what a call leaves whose actor raised in __init__ (ActorDiedError with the exception as its
// cause). raised is the value that the creation task left; where it holds no exception of user code, the answer is
// an ActorDied with the reason why it could not be read.
func ActorInitFailed(d Death, raised Value) Value {
	exc, err := TaskException(raised)
	if err != nil {
		d.Text = strings.TrimSpace(d.Text + " (" + err.Error() + ")")
		return ActorDied(d)
	}
	return ErrorValue(ActorDiedType, &rayvalue.ErrorInfo{
		ErrorMessage: text(d.Text),
		Detail: &rayvalue.ErrorInfo_ActorDied{ActorDied: &rayvalue.ActorDeathCause{
			Context: &rayvalue.ActorDeathCause_CreationFailed{CreationFailed: exc},
		}},
	})
}

// ActorUnavailable is what a call leaves whose actor cannot be reached but may come back (ActorUnavailableError).
func ActorUnavailable(actor ids.ActorID, why string) Value {
	return ErrorValue(ActorUnavailableType, &rayvalue.ErrorInfo{
		ErrorMessage: text(why),
		Detail:       &rayvalue.ErrorInfo_ActorUnavailable{ActorUnavailable: &rayvalue.ActorUnavailable{ActorId: actor.Bytes()}},
	})
}

// text makes s fit for a protobuf string: names and outputs of user processes need not be UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
