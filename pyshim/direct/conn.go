package direct

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Limits is what one connection may cost.
type Limits struct {
	Window     int // bytes under way from the peer
	MaxMessage int
	MaxHeaders int // bytes of metadata
	// Opening is how long a peer that has connected may say nothing. 0 is 30 s.
	Opening time.Duration
}

// conn is one connection as a state machine without I/O: bytes go in by feed, whole messages come out of it; messages go
// in by send, bytes to write come out of out. The same bytes give the same messages however they were cut.
type conn struct {
	limits Limits

	// Receiving.
	partial  []byte // the beginning of a frame
	body     []byte // the beginning of a message, with its prefix
	received int    // bytes of DATA that were not granted again
	messages [][]byte

	// Sending. Windows may be negative (RFC 9113 §6.9.2).
	out                 []byte
	queue               []byte // messages with their prefixes that no window has room for yet
	head                int    // how much of the queue was cut off already
	connRoom, room      int64
	initial             int64
	maxFrame            int
	trailers            []byte // a whole frame, to follow what is queued
	finishing, finished bool
	owed                int // bytes in out that answer PING and SETTINGS
}

// maxOwed is how many bytes of answers may wait for a client that asks and does not read.
const maxOwed = 64 << 10

// feed takes what was read. io.EOF means that the client has ended its half of the stream, errReset that it wants nothing
// more; any other error that it broke the protocol. Messages before the end are in c.messages.
func (c *conn) feed(b []byte) error {
	if len(c.partial) > 0 {
		b = append(c.partial, b...)
		c.partial = nil
	}
	for len(b) >= frameHeader {
		h := readHeader(b)
		if h.length > defaultFrame {
			return fmt.Errorf("a frame of %d bytes; the limit is %d", h.length, defaultFrame)
		}
		if len(b) < frameHeader+h.length {
			break
		}
		if err := c.frame(h, b[frameHeader:frameHeader+h.length]); err != nil {
			return err
		}
		b = b[frameHeader+h.length:]
	}
	if len(b) > 0 {
		c.partial = append([]byte(nil), b...)
	}
	return nil
}

var errReset = errors.New("the client has reset the stream")

func (c *conn) frame(h header, p []byte) error {
	switch h.kind {
	case frameData:
		return c.data(h, p)
	case frameRST:
		if h.stream != stream || len(p) != 4 {
			return fmt.Errorf("RST_STREAM: wrong size or stream")
		}
		return errReset
	case frameSettings:
		return c.settings(h, p)
	case framePing:
		if h.stream != 0 || len(p) != 8 {
			return fmt.Errorf("PING: wrong size or stream")
		}
		if h.flags&flagAck == 0 {
			c.out = append(appendHeader(c.out, 8, framePing, flagAck, 0), p...)
			return c.owe(frameHeader + 8)
		}
	case frameWindowUpdate:
		return c.windowUpdate(h, p)
	case frameHeaders, framePushPromise, frameContinuation:
		return fmt.Errorf("a frame of type %d: this connection has one stream, and a client sends no trailers", h.kind)
	}
	// What is left is PRIORITY, GOAWAY (the client opens no streams anyway) and what RFC 9113 §4.1 says to ignore.
	return nil
}

func (c *conn) data(h header, p []byte) error {
	if h.stream != stream {
		return fmt.Errorf("DATA for stream %d", h.stream)
	}
	c.received += len(p)
	if c.received > c.limits.Window {
		return fmt.Errorf("more DATA than the window allows")
	}
	// Granted again at arrival: what arrived is carried out before the next is read. Half a window at a time.
	if c.received >= c.limits.Window/2 {
		c.out = appendWindowUpdate(appendWindowUpdate(c.out, 0, c.received), stream, c.received)
		c.received = 0
	}
	p, err := unpad(h, p)
	if err != nil {
		return err
	}
	if err := c.collect(p); err != nil {
		return err
	}
	if h.flags&flagEndStream != 0 {
		if len(c.body) > 0 {
			return fmt.Errorf("the stream ends in the middle of a message")
		}
		return io.EOF
	}
	return nil
}

// collect cuts messages out of the payloads of DATA frames.
func (c *conn) collect(p []byte) error {
	for len(p) > 0 {
		if len(c.body) == 0 && len(p) >= prefixLen {
			size, err := c.size(p)
			if err != nil {
				return err
			}
			if len(p) >= prefixLen+size {
				// The buffer is used again for the next read, and values are kept.
				c.messages = append(c.messages, append([]byte(nil), p[prefixLen:prefixLen+size]...))
				p = p[prefixLen+size:]
				continue
			}
		}
		need := prefixLen
		if len(c.body) >= prefixLen {
			size, err := c.size(c.body)
			if err != nil {
				return err
			}
			need += size
		}
		n := min(len(p), need-len(c.body))
		c.body = append(c.body, p[:n]...)
		p = p[n:]
		if len(c.body) < prefixLen {
			continue
		}
		size, err := c.size(c.body)
		if err != nil {
			return err
		}
		if len(c.body) == prefixLen && size > 0 {
			// At once what is likely; more only as it arrives, for a length is only a claim.
			c.body = slices.Grow(c.body, min(size, 1<<20))
		}
		if len(c.body) == prefixLen+size {
			c.messages = append(c.messages, c.body[prefixLen:])
			c.body = nil
		}
	}
	return nil
}

func (c *conn) size(prefix []byte) (int, error) {
	if prefix[0] != 0 {
		return 0, fmt.Errorf("a compressed message; no compression was offered")
	}
	size := int64(binary.BigEndian.Uint32(prefix[1:]))
	if size > int64(c.limits.MaxMessage) {
		return 0, &TooLong{size, c.limits.MaxMessage}
	}
	return int(size), nil
}

// TooLong is a message above the limit.
type TooLong struct {
	Size  int64
	Limit int
}

func (e *TooLong) Error() string {
	return fmt.Sprintf("a message of %d bytes; the limit is %d", e.Size, e.Limit)
}

func (c *conn) settings(h header, p []byte) error {
	if h.stream != 0 || len(p)%6 != 0 || h.flags&flagAck != 0 && len(p) > 0 {
		return fmt.Errorf("SETTINGS: wrong size or stream")
	}
	if h.flags&flagAck != 0 {
		return nil
	}
	for ; len(p) > 0; p = p[6:] {
		value := int64(binary.BigEndian.Uint32(p[2:]))
		switch binary.BigEndian.Uint16(p) {
		case settingWindow:
			if value > maxWindow || c.room+value-c.initial > maxWindow {
				return fmt.Errorf("SETTINGS: a window of %d", value)
			}
			c.room += value - c.initial
			c.initial = value
		case settingMaxFrame:
			if value < defaultFrame || value > maxFrame {
				return fmt.Errorf("SETTINGS: frames of %d bytes", value)
			}
			c.maxFrame = int(value)
		}
	}
	c.out = appendHeader(c.out, 0, frameSettings, flagAck, 0)
	c.cut()
	return c.owe(frameHeader)
}

// owe counts an answer. It is paid when out was written.
func (c *conn) owe(n int) error {
	c.owed += n
	if c.owed > maxOwed {
		return fmt.Errorf("the answers to PING and SETTINGS are not read")
	}
	return nil
}

func (c *conn) windowUpdate(h header, p []byte) error {
	if len(p) != 4 {
		return fmt.Errorf("WINDOW_UPDATE: wrong size")
	}
	n := int64(binary.BigEndian.Uint32(p) & maxWindow)
	window := &c.connRoom
	if h.stream == stream {
		window = &c.room
	} else if h.stream != 0 {
		return nil // of a stream that there never was or that has ended: nothing to say to it
	}
	*window += n
	if n == 0 || *window > maxWindow {
		return fmt.Errorf("WINDOW_UPDATE by %d", n)
	}
	c.cut()
	return nil
}

// send sends one message, which `message` appends to the buffer it is given.
func (c *conn) send(message func([]byte) ([]byte, error)) error {
	if c.finishing {
		return nil
	}
	if len(c.queue) > 0 || c.room < defaultFrame || c.connRoom < defaultFrame {
		return c.sendSlowly(message)
	}
	// The usual case: one DATA frame straight into out.
	at := len(c.out)
	b := append(c.out, make([]byte, frameHeader+prefixLen)...)
	b, err := message(b)
	if err != nil {
		return err
	}
	size := len(b) - at - frameHeader
	if size > defaultFrame {
		putPrefix(b[at+frameHeader:], size-prefixLen)
		c.queue = append(c.queue, b[at+frameHeader:]...)
		c.out = b[:at]
		c.cut()
		return nil
	}
	putPrefix(b[at+frameHeader:], size-prefixLen)
	appendHeader(b[at:at], size, frameData, 0, stream)
	c.out = b
	c.room -= int64(size)
	c.connRoom -= int64(size)
	return nil
}

func (c *conn) sendSlowly(message func([]byte) ([]byte, error)) error {
	at := len(c.queue)
	b := append(c.queue, make([]byte, prefixLen)...)
	b, err := message(b)
	if err != nil {
		return err
	}
	putPrefix(b[at:], len(b)-at-prefixLen)
	c.queue = b
	c.cut()
	return nil
}

func putPrefix(b []byte, size int) {
	b[0] = 0
	binary.BigEndian.PutUint32(b[1:], uint32(size))
}

// cut moves what the windows allow from the queue to out.
func (c *conn) cut() {
	for c.head < len(c.queue) {
		n := int(min(int64(len(c.queue)-c.head), int64(c.maxFrame), c.room, c.connRoom))
		if n <= 0 {
			break
		}
		c.out = append(appendHeader(c.out, n, frameData, 0, stream), c.queue[c.head:c.head+n]...)
		c.room -= int64(n)
		c.connRoom -= int64(n)
		c.head += n
	}
	switch {
	case c.head == len(c.queue):
		c.queue, c.head = nil, 0
		if c.finishing && !c.finished {
			c.finished = true
			c.out = append(c.out, c.trailers...)
		}
	case c.head > len(c.queue)/2: // not each time: then a byte is moved once, however slowly the peer reads
		c.queue, c.head = append([]byte(nil), c.queue[c.head:]...), 0
	}
}

// finish ends the stream with a status once everything before was sent.
func (c *conn) finish(code uint32, text string) {
	if !c.finishing {
		c.finishing = true
		c.trailers = trailers(code, text)
		c.cut()
	}
}
