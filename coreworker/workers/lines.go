package workers

import "bytes"

// What a worker's Python prints comes between two marks, "\x1emobula:" name "\x1f" and the same without a name: the
// pipe is read later than the text was written, and by then the worker may run something else. What is written past
// Python (by C code, by children) has no marks, and then the label is "": the caller knows what runs there now.
// python/mobula/_worker/printing.py writes them.
const (
	markBegin = "\x1emobula:"
	markEnd   = '\x1f'
	maxMark   = 512 // a longer one is none
)

// labeled takes the marks out of a stream before it is cut into lines.
type labeled struct {
	lines lines
	held  []byte // the beginning of what may be a mark
}

func (l *labeled) write(p []byte) {
	if len(l.held) > 0 {
		p = append(l.held, p...)
		l.held = nil
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, markBegin[0])
		if i < 0 {
			l.lines.write(p)
			return
		}
		l.lines.write(p[:i])
		p = p[i:]
		name, n, whole := mark(p)
		switch {
		case !whole:
			l.held = bytes.Clone(p)
			return
		case n == 0:
			l.lines.write(p[:1]) // the user's own control character
			p = p[1:]
		default:
			l.lines.setLabel(name)
			p = p[n:]
		}
	}
}

// mark reads the mark at the beginning of p: its name and length, 0 when there is none. It is not whole when only more
// input can tell.
func mark(p []byte) (name string, length int, whole bool) {
	n := min(len(p), len(markBegin))
	if string(p[:n]) != markBegin[:n] {
		return "", 0, true
	}
	rest := p[n:]
	if end := bytes.IndexByte(rest[:min(len(rest), maxMark)], markEnd); end >= 0 {
		return string(rest[:end]), n + end + 1, true
	}
	return "", 0, len(rest) >= maxMark
}

func (l *labeled) flush() {
	l.lines.write(l.held)
	l.held = nil
	l.lines.flush()
}

// lines cuts a stream at newlines; add gets one or more whole lines without the last newline.
type lines struct {
	add   func(label string, text []byte)
	label string
	part  []byte
}

// setLabel says whose the following is. An unfinished line ends where somebody else's begins.
func (l *lines) setLabel(label string) {
	if label != l.label {
		l.flush()
		l.label = label
	}
}

func (l *lines) write(p []byte) {
	if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
		if len(l.part) > 0 {
			l.add(l.label, append(l.part, p[:i]...))
			l.part = l.part[:0]
		} else {
			l.add(l.label, p[:i])
		}
		p = p[i+1:]
	}
	l.part = append(l.part, p...)
	if len(l.part) > maxLine {
		l.flush()
	}
}

func (l *lines) flush() {
	if len(l.part) > 0 {
		l.add(l.label, l.part)
		l.part = l.part[:0]
	}
}
