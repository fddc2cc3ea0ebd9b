package workers

import (
	"fmt"
	"strings"
	"testing"
)

func label(name, text string) string { return markBegin + name + string(rune(markEnd)) + text }

func TestMarksSayWhoseALineIs(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"none", "a\nb\n", `:"a" :"b" `},
		{"two tasks", label("f", "1\n") + label("", "") + label("g", "2\n") + label("", ""), `f:"1" g:"2" `},
		{"a child in between", label("f", "1\n") + label("", "") + "child\n" + label("f", "2\n"), `f:"1" :"child" f:"2" `},
		{"a line in pieces", label("f", "1") + label("f", "2\n") + label("", ""), `f:"12" `},
		{"an unfinished line", label("f", "1") + label("g", "2\n"), `f:"1" g:"2" `},
		{"empty lines", label("f", "\n\n") + label("", ""), `f:"" f:"" `},
		{"the user's own control character", "a\x1eb\x1fc\n", `:"a\x1eb\x1fc" `},
		{"a mark that is cut by another", "\x1emob" + label("f", "1\n"), `:"\x1emob" f:"1" `},
		{"an endless name", markBegin + strings.Repeat("x", maxMark) + "\n", fmt.Sprintf(`:%q `, markBegin+strings.Repeat("x", maxMark))},
		{"the end inside a mark", label("f", "1\n") + "\x1emobu", `f:"1" f:"\x1emobu" `},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Wherever the pipe's reads happen to cut it.
			for size := 1; size <= len(c.in); size++ {
				var got strings.Builder
				l := labeled{lines: lines{add: func(label string, text []byte) {
					for line := range strings.SplitSeq(string(text), "\n") {
						fmt.Fprintf(&got, "%s:%q ", label, line)
					}
				}}}
				for in := []byte(c.in); len(in) > 0; in = in[min(size, len(in)):] {
					l.write(in[:min(size, len(in))])
				}
				l.flush()
				if got.String() != c.want {
					t.Fatalf("in pieces of %d: %s, want %s", size, got.String(), c.want)
				}
			}
		})
	}
}
