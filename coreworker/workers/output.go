package workers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxLine      = 256 << 10 // a longer line is cut into several
	maxHeld      = 8 << 20   // bytes of undelivered output of one process; beyond it the oldest goes
	maxBatch     = 32 << 10  // bytes handed over in one call
	chunkCost    = 128       // what keeping one chunk costs besides its text
	tailLines    = 20
	tailLineSize = 2000
	drainLimit   = 1 << 20 // what is read of a dead process's pipe, which an escaped child may go on filling
)

// output is what one process prints: read as fast as it comes, so that nobody blocks on print, cut into lines, and
// kept in a ring of maxHeld bytes until the outlet has handed it on. What falls out is counted and reported.
type output struct {
	outlet  *outlet // nil: deliver is called by the readers themselves, and must not block
	deliver func(chunk)
	readers sync.WaitGroup
	files   []*os.File

	mu      sync.Mutex
	chunks  []chunk
	held    int
	dropped int
	queued  bool // the outlet has it in its list
	handing bool // the outlet hands a chunk of it on
	idle    sync.Cond
	tail    []string
}

// chunk is whole lines, without the last newline, that one label belongs to.
type chunk struct {
	isErr bool
	label string
	text  []byte
}

func newOutput(o *outlet, deliver func(chunk)) *output {
	out := &output{outlet: o, deliver: deliver}
	out.idle.L = &out.mu
	return out
}

// read starts a goroutine that reads fd, which becomes the output's own, until EOF or stop.
func (o *output) read(fd int, isErr bool) {
	file := os.NewFile(uintptr(fd), "output")
	o.files = append(o.files, file)
	o.readers.Add(1)
	go func() {
		defer o.readers.Done()
		defer file.Close()
		l := labeled{lines: lines{add: func(label string, text []byte) { o.add(chunk{isErr, label, text}) }}}
		defer l.flush()
		buf := make([]byte, 32<<10)
		for {
			n, err := file.Read(buf)
			l.write(buf[:n])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				drain(file, buf, &l)
				return
			}
			if err != nil {
				return
			}
		}
	}()
}

// drain takes what a dead process had written before it died, and does not wait for more.
func drain(file *os.File, buf []byte, l *labeled) {
	conn, err := file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		for total := 0; total < drainLimit; {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n <= 0 {
				return
			}
			l.write(buf[:n])
			total += n
		}
	})
}

// stop ends the readers after the process has died: what it wrote is kept, what a child that escaped still writes
// is not waited for.
func (o *output) stop() {
	for _, file := range o.files {
		_ = file.SetReadDeadline(time.Unix(1, 0))
	}
	o.readers.Wait()
}

// add takes a chunk whose text is only lent.
func (o *output) add(c chunk) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.isErr {
		o.remember(c.text)
	}
	if o.outlet == nil {
		o.deliver(c)
		return
	}
	if last := len(o.chunks) - 1; last >= 0 && o.chunks[last].takes(c) {
		o.chunks[last].text = append(append(o.chunks[last].text, '\n'), c.text...)
		o.held += len(c.text) + 1
	} else {
		c.text = bytes.Clone(c.text)
		o.chunks = append(o.chunks, c)
		o.held += len(c.text) + chunkCost
	}
	for o.held > maxHeld && len(o.chunks) > 1 {
		o.dropped += 1 + bytes.Count(o.chunks[0].text, []byte{'\n'})
		o.shift()
	}
	if !o.queued {
		o.queued = true
		o.outlet.push(o)
	}
}

func (c chunk) takes(next chunk) bool {
	return c.isErr == next.isErr && c.label == next.label && len(c.text)+len(next.text) < maxBatch
}

func (o *output) shift() chunk {
	first := o.chunks[0]
	o.chunks[0] = chunk{}
	o.chunks = o.chunks[1:]
	o.held -= len(first.text) + chunkCost
	if len(o.chunks) == 0 {
		o.chunks, o.held = nil, 0
	}
	return first
}

func (o *output) remember(text []byte) {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		o.tail = append(o.tail, strings.ToValidUTF8(string(line[:min(len(line), tailLineSize)]), "\uFFFD"))
	}
	if over := len(o.tail) - tailLines; over > 0 {
		o.tail = append(o.tail[:0:0], o.tail[over:]...)
	}
}

// stderrTail is complete once stop has returned.
func (o *output) stderrTail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.tail...)
}

// flush waits until all was handed on. Nothing may be added any more, and there must be a handler.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.queued || o.handing {
		o.idle.Wait()
	}
}

// next takes one chunk and says whether there are more.
func (o *output) next() (c chunk, dropped int, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dropped, o.dropped = o.dropped, 0
	if len(o.chunks) > 0 {
		c = o.shift()
	}
	more = len(o.chunks) > 0
	o.queued, o.handing = more, true
	return c, dropped, more
}

func (o *output) handOn() (more bool) {
	c, dropped, more := o.next()
	if dropped > 0 {
		text := fmt.Appendf(nil, "[mobula] %d lines are missing here: they were printed faster than they could be shown", dropped)
		o.deliver(chunk{isErr: true, label: c.label, text: text})
	}
	if c.text != nil {
		o.deliver(c)
	}
	o.mu.Lock()
	o.handing = false
	o.mu.Unlock()
	o.idle.Broadcast()
	return more
}
