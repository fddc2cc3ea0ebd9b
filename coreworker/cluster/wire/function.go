package wire

import (
	"crypto/sha3"
	"encoding/binary"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Function says where a function or class comes from. A method's Hash is empty.
type Function struct {
	Module, Class, Name, Hash string
}

// Descriptor is how specs name it.
func (f Function) Descriptor() *ray.FunctionDescriptor {
	return &ray.FunctionDescriptor{FunctionDescriptor: &ray.FunctionDescriptor_PythonFunctionDescriptor{
		PythonFunctionDescriptor: &ray.PythonFunctionDescriptor{ModuleName: f.Module, ClassName: f.Class, FunctionName: f.Name, FunctionHash: f.Hash}}}
}

// ID is what the workers look for in the function table: they derive it from the descriptor, so it cannot be chosen.
func (f Function) ID() (id ids.FunctionID) {
	copy(id[:], sha3.SumSHAKE128([]byte(f.Module+f.Name+f.Class+f.Hash), ids.UniqueLen))
	return id
}

// Namespace is where the function table lies in the cluster's key-value store.
const Namespace = "fun"

// Export is the entry of a function in the table; code is its pickle. It has to be there before the first task is pushed.
func (f Function) Export(job ids.JobID, code []byte, maxCalls int) (key, value []byte) {
	id := f.ID()
	var d dict
	d.bytes("job_id", job[:])
	d.bytes("function_id", id[:])
	d.text("function_name", f.Name)
	d.text("module", f.Module)
	d.bytes("function", code)
	d.text("collision_identifier", f.Hash)
	d.int("max_calls", maxCalls)
	return tableKey("RemoteFunction:", job, id), d.end()
}

// ExportClass is the entry of an actor's class; methods is a JSON list of their names.
func (f Function) ExportClass(job ids.JobID, code []byte, methods string) (key, value []byte) {
	var d dict
	d.text("class_name", f.Class)
	d.text("module", f.Module)
	d.bytes("class", code)
	d.bytes("job_id", job[:])
	d.text("collision_identifier", f.Hash)
	d.text("actor_method_names", methods)
	return tableKey("ActorClass:", job, f.ID()), d.end()
}

func tableKey(kind string, job ids.JobID, id ids.FunctionID) []byte {
	return append([]byte(kind+job.String()+":"), id[:]...)
}

// dict writes a pickle of a dict with text for keys: protocol 3, of which it needs eight opcodes.
type dict struct{ b []byte }

func (d *dict) key(name string) {
	if d.b == nil {
		d.b = []byte{0x80, 3, '}'}
	}
	d.unicode(name)
}

func (d *dict) unicode(s string) {
	d.b = binary.LittleEndian.AppendUint32(append(d.b, 'X'), uint32(len(s)))
	d.b = append(d.b, s...)
}

func (d *dict) text(name, s string) {
	d.key(name)
	d.unicode(s)
	d.b = append(d.b, 's')
}

func (d *dict) bytes(name string, v []byte) {
	d.key(name)
	d.b = binary.LittleEndian.AppendUint32(append(d.b, 'B'), uint32(len(v)))
	d.b = append(append(d.b, v...), 's')
}

func (d *dict) int(name string, n int) {
	d.key(name)
	d.b = append(binary.LittleEndian.AppendUint32(append(d.b, 'J'), uint32(int32(n))), 's')
}

func (d *dict) end() []byte { return append(d.b, '.') }
