package objects_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/proto/rayvalue"
)

var actor = ids.ActorID{0: 0xAC, 12: 1}

func info(t *testing.T, v objects.Value) *rayvalue.ErrorInfo {
	t.Helper()
	got, err := objects.ErrorInfo(v)
	if err != nil || got == nil {
		t.Fatalf("%s: %v, %v", v.Metadata, got, err)
	}
	return got
}

func TestErrorsCarryKindAndText(t *testing.T) {
	const text = "it went away"
	for _, c := range []struct {
		value objects.Value
		kind  objects.ErrorType
	}{
		{objects.WorkerDied(text), 0},
		{objects.ActorDied(objects.Death{Actor: actor, Text: text}), 1},
		{objects.TaskCancelled(ids.DriverTask(ids.JobFromInt(1)), text), 5},
		{objects.ObjectLost(text), 8},
		{objects.OwnerDied(text), 9},
		{objects.DependencyFailed(text), 11},
		{objects.TaskUnschedulable(text), 18},
		{objects.ActorUnschedulable(text), 19},
		{objects.OutOfDisk(text), 20},
		{objects.ObjectFreed(text), 21},
		{objects.OutOfMemory(text), 22},
		{objects.NodeDied(text), 23},
		{objects.ActorUnavailable(actor, text), 25},
		{objects.WorkerStartupFailed(text), 33},
	} {
		if string(c.value.Metadata) != c.kind.String() || !c.value.IsError {
			t.Errorf("%d: metadata %q, error %t", c.kind, c.value.Metadata, c.value.IsError)
		}
		if kind, ok := objects.Metadata(c.value.Metadata); !ok || kind != c.kind {
			t.Errorf("%d read as %d, %t", c.kind, kind, ok)
		}
		if got := info(t, c.value); got.ErrorType != int32(c.kind) || !strings.HasSuffix(got.ErrorMessage, text) {
			t.Errorf("%d: %v", c.kind, got)
		}
	}
}

// TestErrorBytes holds the encoding to the bytes that Ray's own reader was shown.
func TestErrorBytes(t *testing.T) {
	short := objects.ErrorValue(objects.OutOfMemoryType, &rayvalue.ErrorInfo{ErrorMessage: "hi"})
	// msgpack 8, padding; bin of 6: field 5 "hi", field 11 = 22.
	if got, want := hex.EncodeToString(short.Data), "08"+"0000000000000000"+"c406"+"2a026869"+"5816"; got != want {
		t.Errorf("short: %s, want %s", got, want)
	}
	long := objects.WorkerDied(strings.Repeat("x", 70_000))
	if got, want := hex.EncodeToString(long.Data[:18]), "ce00011179"+"00000000"+"c600011174"+"2af0a204"; got != want {
		t.Errorf("long: %s, want %s", got, want)
	}
	if empty := objects.ErrorValue(objects.ObjectLostType, nil); empty.Data != nil || string(empty.Metadata) != "8" {
		t.Errorf("without info: %+v", empty)
	}
}

func TestErrorValueLeavesItsArgumentAlone(t *testing.T) {
	mine := &rayvalue.ErrorInfo{ErrorMessage: "x"}
	objects.ErrorValue(objects.OutOfMemoryType, mine)
	if mine.ErrorType != 0 {
		t.Fatal("changed")
	}
}

func TestTaskCancelledNamesTheTask(t *testing.T) {
	task := ids.DriverTask(ids.JobFromInt(1))
	if got, want := info(t, objects.TaskCancelled(task, "")).ErrorMessage, "Task: "+task.String()+" was cancelled."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestActorDiedTellsAll(t *testing.T) {
	death := objects.Death{
		Actor: actor, Reason: objects.DeathByKill, Text: "killed", ClassName: "Counter",
		Name: "c", Namespace: "ns", PID: 7, NeverStarted: true,
	}
	got := info(t, objects.ActorDied(death)).GetActorDied().GetDied()
	want := &rayvalue.ActorDied{
		ErrorMessage: "killed", ActorId: actor.Bytes(), Reason: 4, ClassName: "Counter",
		Name: "c", RayNamespace: "ns", Pid: 7, NeverStarted: true,
	}
	if !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	gone := info(t, objects.ActorUnavailable(actor, "restarting"))
	if !bytes.Equal(gone.GetActorUnavailable().GetActorId(), actor.Bytes()) {
		t.Errorf("%v", gone)
	}
}

func TestActorInitFailedPassesTheExceptionOn(t *testing.T) {
	// What Python makes of an exception in __init__: header, bin, RayException.
	body, err := proto.Marshal(&rayvalue.TaskException{SerializedException: []byte("\x80\x05N."), Formatted: "boom"})
	if err != nil {
		t.Fatal(err)
	}
	data := append([]byte{byte(len(body) + 2), 1, 2, 3, 4, 5, 6, 7, 8, 0xC4, byte(len(body))}, body...)
	raised := objects.Value{Data: data, Metadata: []byte("3"), IsError: true}

	got := info(t, objects.ActorInitFailed(objects.Death{Actor: actor}, raised)).GetActorDied().GetCreationFailed()
	if string(got.GetSerializedException()) != "\x80\x05N." || got.GetFormatted() != "boom" {
		t.Errorf("%v", got)
	}
	broken := info(t, objects.ActorInitFailed(objects.Death{Actor: actor, Text: "init failed"}, objects.Value{Data: []byte{1}}))
	if died := broken.GetActorDied().GetDied(); died == nil || !strings.HasPrefix(died.ErrorMessage, "init failed (read task exception: not an error body") {
		t.Errorf("%v", broken)
	}
}

func TestTextNeedNotBeUTF8(t *testing.T) {
	if got := info(t, objects.WorkerDied("a\xffb")).ErrorMessage; got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
	v := objects.ErrorValue(objects.WorkerDiedType, &rayvalue.ErrorInfo{ErrorMessage: "a\xffb"})
	if got := info(t, v).ErrorMessage; got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
	v = objects.ErrorValue(objects.ActorDiedType, &rayvalue.ErrorInfo{ErrorMessage: "gone", Detail: &rayvalue.ErrorInfo_ActorDied{
		ActorDied: &rayvalue.ActorDeathCause{Context: &rayvalue.ActorDeathCause_Died{Died: &rayvalue.ActorDied{Name: "a\xffb"}}},
	}})
	if got := info(t, v); !strings.HasPrefix(got.ErrorMessage, "gone (detail left out: ") || got.Detail != nil {
		t.Errorf("%v", got)
	}
}

func TestMetadata(t *testing.T) {
	for _, c := range []struct {
		metadata string
		kind     objects.ErrorType
		isError  bool
	}{
		{"PYTHON", 0, false}, {"RAW", 0, false}, {"", 0, false}, {"4", 4, false}, {"0", 0, true}, {"3", 3, true},
		{"5,DEBUG:x", 5, true}, {"PYTHON,5", 0, false}, {"-1", 0, false}, {"99999999999999999999", 0, false}, {"34", 34, true},
	} {
		kind, isError := objects.Metadata([]byte(c.metadata))
		if isError != c.isError || isError && kind != c.kind {
			t.Errorf("%q: %d, %t", c.metadata, kind, isError)
		}
	}
}

func TestBlockIDs(t *testing.T) {
	got, err := objects.BlockIDs([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	if err != nil || len(got) != 2 || got[0] != 1 || got[1] != 256 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := objects.BlockIDs(make([]byte, 9)); err == nil {
		t.Error("nine bytes are not block ids")
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add(objects.WorkerDied("x").Data)
	f.Add(objects.ActorDied(objects.Death{Actor: actor, Text: "x"}).Data)
	f.Add([]byte{0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0})
	f.Add([]byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 0xC6, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, data []byte) {
		v := objects.Value{Data: data, Metadata: []byte("3"), IsError: true}
		if exc, err := objects.TaskException(v); (err == nil) != (exc != nil) {
			t.Fatal(exc, err)
		}
		if got, err := objects.ErrorInfo(v); err == nil && got != nil {
			// What was read can be written again.
			objects.ErrorValue(objects.ErrorType(got.ErrorType&0xFF), got)
		}
	})
}
