package embedded

import (
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
)

// TestForgottenExports: what a job has exported goes with it, but for what another one has exported too.
func TestForgottenExports(t *testing.T) {
	k := NewKV()
	one, two := ids.JobFromInt(1), ids.JobFromInt(2)
	var shared, own ids.FunctionID
	shared[0], own[0] = 1, 2
	key := func(job ids.JobID, id ids.FunctionID) []byte {
		return append([]byte("RemoteFunction:"+job.String()+":"), id[:]...)
	}
	for range 2 { // a shim that lost a lane sends it again
		k.Put(FunctionNamespace, key(one, shared), []byte("shared"))
		k.Put(FunctionNamespace, key(two, shared), []byte("shared"))
		k.Put(FunctionNamespace, key(two, own), []byte("own"))
	}
	k.Put("other", key(two, own), []byte("other"))
	k.Forget(two)
	if _, ok := k.Function(own); ok {
		t.Error("the job's own function is still there")
	}
	if v, ok := k.Get(FunctionNamespace, shared[:]); !ok || string(v) != "shared" {
		t.Errorf("the other job's function: %q, %v", v, ok)
	}
	if _, ok := k.Get("other", key(two, own)); !ok {
		t.Error("an entry of another namespace is gone")
	}
	k.Forget(one)
	if _, ok := k.Function(shared); ok {
		t.Error("nobody has it any more, and it is there")
	}
}
