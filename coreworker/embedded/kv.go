package embedded

import (
	"bytes"
	"strings"

	"github.com/mobula/mobula/coreworker/ids"
)

// KV is the key-value store that the function table lives in, under Ray's keys. A function is also found by its bare id:
// the last 28 bytes of its key.
type KV struct {
	entries   map[string][]byte
	functions map[ids.FunctionID]*function
}

// function is what is found by a bare id. Two jobs may have exported the same one.
type function struct {
	value []byte
	keys  int
}

// FunctionNamespace is where Ray keeps exported functions and classes.
const FunctionNamespace = "fun"

// NewKV makes an empty store.
func NewKV() *KV {
	return &KV{entries: map[string][]byte{}, functions: map[ids.FunctionID]*function{}}
}

// Put stores a value, over an earlier one if there is one.
func (k *KV) Put(namespace string, key, value []byte) {
	at := namespace + "\x00" + string(key)
	_, again := k.entries[at]
	k.entries[at] = value
	if id, ok := functionOf(namespace, key); ok {
		f := k.functions[id]
		if f == nil {
			f = &function{}
			k.functions[id] = f
		}
		f.value = value
		if !again {
			f.keys++
		}
	}
}

// Get returns what is stored under the key.
func (k *KV) Get(namespace string, key []byte) ([]byte, bool) {
	if v, ok := k.entries[namespace+"\x00"+string(key)]; ok {
		return v, true
	}
	if namespace == FunctionNamespace && len(key) == ids.UniqueLen {
		return k.Function(ids.FunctionID(key))
	}
	return nil, false
}

// Function returns an export by the id of its function or class.
func (k *KV) Function(id ids.FunctionID) ([]byte, bool) {
	if f := k.functions[id]; f != nil {
		return f.value, true
	}
	return nil, false
}

// Forget drops what a job has exported: its keys are "RemoteFunction:<job>:…" and "ActorClass:<job>:…".
func (k *KV) Forget(job ids.JobID) {
	for at := range k.entries {
		namespace, key, _ := strings.Cut(at, "\x00")
		parts := bytes.SplitN([]byte(key), []byte{':'}, 3)
		if namespace != FunctionNamespace || len(parts) < 3 || string(parts[1]) != job.String() {
			continue
		}
		delete(k.entries, at)
		if id, ok := functionOf(namespace, []byte(key)); ok {
			if f := k.functions[id]; f.keys > 1 {
				f.keys--
			} else {
				delete(k.functions, id)
			}
		}
	}
}

func functionOf(namespace string, key []byte) (id ids.FunctionID, ok bool) {
	if namespace != FunctionNamespace || len(key) < ids.UniqueLen {
		return id, false
	}
	return ids.FunctionID(key[len(key)-ids.UniqueLen:]), true
}
