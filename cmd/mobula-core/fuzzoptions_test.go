package main

import (
	"encoding/json"
	"testing"
)

// The driver's JSON is refused in words or read as what it says; what is checked to be an object and is none is never taken.
func FuzzOptions(f *testing.F) {
	for _, text := range []string{`{}`, `null`, `[]`, `{"namespace":"n","log_to_driver":false,"labels":{"zone":"a"},"node_name":"x"}`,
		`{"session_env":"{}","lazy_install":true}`, `{"cluster":{"token":"t","sys_path":["/x",""],"entrypoint":"e"}}`, `{"cluster":null}`,
		`{"labels":{"a":1}}`, `{"log_to_driver":null}`, `{"namespace":"\ud800"}`, `{"namespace":"a","NAMESPACE":"b"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		object := checkObject(raw)
		o, err := readOptions(raw)
		if err != nil {
			if err.Error() == "worker options: " {
				t.Fatalf("%q: an error without words", raw)
			}
			return
		}
		if object != nil && string(trimmed(raw)) != "null" {
			t.Fatalf("%q is no object (%v) and was taken", raw, object)
		}
		if o.showsLogs() != (o.LogToDriver == nil || *o.LogToDriver) {
			t.Fatalf("%q", raw)
		}
		// What was read is what it says: written down and read again it is the same.
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		o2, err := readOptions(again)
		if err != nil {
			t.Fatalf("%q was read, and then not: %v", again, err)
		}
		if third, err := json.Marshal(o2); err != nil || string(third) != string(again) {
			t.Fatalf("%s became %s (%v)", again, third, err)
		}
	})
}

func trimmed(raw []byte) json.RawMessage {
	var out json.RawMessage
	_ = json.Unmarshal(raw, &out)
	return out
}
