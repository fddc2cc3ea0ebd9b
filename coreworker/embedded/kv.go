package embedded

import "github.com/mobula/mobula/coreworker/ids"

// KV is the key-value store that the function table lives in, under Ray's keys. A function is also found by its bare id:
// the last 28 bytes of its key.
type KV struct {
	entries   map[string][]byte
	functions map[ids.FunctionID][]byte
}

// FunctionNamespace is where Ray keeps exported functions and classes.
const FunctionNamespace = "fun"

// NewKV makes an empty store.
func NewKV() *KV { return &KV{entries: map[string][]byte{}, functions: map[ids.FunctionID][]byte{}} }

// Put stores a value, over an earlier one if there is one.
func (k *KV) Put(namespace string, key, value []byte) {
	k.entries[namespace+"\x00"+string(key)] = value
	if namespace == FunctionNamespace && len(key) >= ids.UniqueLen {
		k.functions[ids.FunctionID(key[len(key)-ids.UniqueLen:])] = value
	}
}

// Get returns what is stored under the key.
func (k *KV) Get(namespace string, key []byte) ([]byte, bool) {
	if v, ok := k.entries[namespace+"\x00"+string(key)]; ok {
		return v, true
	}
	if namespace == FunctionNamespace && len(key) == ids.UniqueLen {
		v, ok := k.functions[ids.FunctionID(key)]
		return v, ok
	}
	return nil, false
}

// Function returns an export by the id of its function or class.
func (k *KV) Function(id ids.FunctionID) ([]byte, bool) { v, ok := k.functions[id]; return v, ok }
