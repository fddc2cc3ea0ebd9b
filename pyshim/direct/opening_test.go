package direct

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// FuzzOpening gives a connection any beginning: never a panic, never more kept than limits allow, what was read is not written
// to, and what follows the opening is read as it would be afterwards. It begins from testdata/fuzz too, where tests/fuzz/seeds.py keeps
// what was found to reach more.
func FuzzOpening(f *testing.F) {
	plain := opens(request(field{Name: "authorization", Value: "Bearer x"}), http2.Setting{ID: 4, Val: 7})
	f.Add(plain, []byte{})
	f.Add(plain, frames(func(f *http2.Framer) { _ = f.WriteData(1, true, message([]byte("hello"))) }))
	f.Add(opens(request(field{Name: ":path", Value: "/d.E/F"})), []byte{0})
	f.Add(opens(request(field{Name: "grpc-timeout", Value: "1S"})), []byte{})
	f.Fuzz(func(t *testing.T, opening, rest []byte) {
		all := append(bytes.Clone(opening), rest...)
		before := bytes.Clone(all)
		c, o, ok := open(all, limits)
		if !bytes.Equal(all, before) {
			t.Fatal("what was read was written to")
		}
		if !ok {
			return
		}
		kept := len(o.Path)
		for _, value := range o.Authorization {
			kept += len(value)
		}
		if kept > limits.MaxHeaders || len(c.partial) > defaultFrame+frameHeader || len(c.body) > limits.MaxMessage+prefixLen {
			t.Fatalf("%d bytes of headers, %d and %d bytes are kept", kept, len(c.partial), len(c.body))
		}
		d, again, ok := open(opening, limits)
		if !ok { // it ends inside of what was needed
			return
		}
		if again.Path != o.Path || len(again.Authorization) != len(o.Authorization) {
			t.Fatalf("%+v alone, %+v with what follows", again, o)
		}
		if err := d.feed(bytes.Clone(rest)); err != nil {
			t.Fatalf("taken with what follows, and then: %v", err)
		}
		if len(d.messages) != len(c.messages) || !bytes.Equal(d.partial, c.partial) || !bytes.Equal(d.body, c.body) {
			t.Fatalf("%d messages, not %d", len(d.messages), len(c.messages))
		}
	})
}
