package direct

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// Agent is the user-agent of a client that opens one stream on a connection and no other.
const Agent = "mobula-lane"

// Opening is how a client began: the first bytes it wrote.
type Opening struct {
	Path          string
	Authorization []string
}

// open reads the first bytes of a connection. ok is false for anything but a client of one stream whose opening is whole
// and plain; then nobody has been told anything yet, and the bytes can be given to the gRPC library.
func open(b []byte, limits Limits) (c *conn, o Opening, ok bool) {
	if !bytes.HasPrefix(b, []byte(preface)) {
		return nil, o, false
	}
	b = b[len(preface):]
	c = &conn{limits: limits, room: defaultWindow, connRoom: defaultWindow, initial: defaultWindow, maxFrame: defaultFrame}
	c.out = c.greeting()
	for first := true; len(b) >= frameHeader; first = false {
		h := readHeader(b)
		if len(b) < frameHeader+h.length || first != (h.kind == frameSettings) {
			return nil, o, false
		}
		p := b[frameHeader : frameHeader+h.length]
		b = b[frameHeader+h.length:]
		if h.kind != frameHeaders {
			if h.kind != frameSettings && h.kind != frameWindowUpdate || c.frame(h, p) != nil {
				return nil, o, false
			}
			continue
		}
		if h.stream != stream || h.flags != flagEndHeaders {
			return nil, o, false
		}
		if o, ok = readFields(p, limits.MaxHeaders); !ok {
			return nil, o, false
		}
		c.out = append(c.out, response...)
		return c, o, c.feed(b) == nil
	}
	return nil, o, false
}

// readFields reads the request's headers. A timeout or a compression that the client asks for is the library's business.
func readFields(block []byte, most int) (o Opening, ok bool) {
	one := map[string]string{}
	size, fits := 0, true
	d := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		size += int(f.Size())
		name := strings.ToLower(f.Name)
		if name == "authorization" {
			o.Authorization = append(o.Authorization, f.Value)
			return
		}
		_, twice := one[name]
		fits = fits && !twice
		one[name] = f.Value
	})
	if _, err := d.Write(block); err != nil || d.Close() != nil || size > most || !fits {
		return o, false
	}
	o.Path = one[":path"]
	for name := range one {
		if strings.HasPrefix(name, "grpc-") {
			return o, false
		}
	}
	return o, one["user-agent"] == Agent && one[":method"] == "POST" && one["te"] == "trailers" &&
		one["content-type"] == "application/grpc"
}

// greeting is what the server says first.
func (c *conn) greeting() []byte {
	settings := []struct {
		id    uint16
		value int
	}{{settingHeaderTable, 0}, {settingMaxStreams, 1}, {settingWindow, c.limits.Window}, {settingMaxHeaderList, c.limits.MaxHeaders}}
	b := appendHeader(nil, 6*len(settings), frameSettings, 0, 0)
	for _, s := range settings {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, s.id), uint32(s.value))
	}
	if grow := c.limits.Window - defaultWindow; grow > 0 {
		b = appendWindowUpdate(b, 0, grow)
	}
	return b
}

// response is the frame with the headers of the answer.
var response = headers(0, hpack.HeaderField{Name: ":status", Value: "200"},
	hpack.HeaderField{Name: "content-type", Value: "application/grpc"})

func trailers(code uint32, text string) []byte {
	fields := []hpack.HeaderField{{Name: "grpc-status", Value: strconv.Itoa(int(code))}}
	if text != "" {
		fields = append(fields, hpack.HeaderField{Name: "grpc-message", Value: percent(text)})
	}
	return headers(flagEndStream, fields...)
}

// headers encodes fields for a table of no size.
func headers(flags byte, fields ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSizeLimit(0)
	for _, f := range fields {
		_ = e.WriteField(f) // into memory: it cannot fail
	}
	return append(appendHeader(nil, block.Len(), frameHeaders, flags|flagEndHeaders, stream), block.Bytes()...)
}

// percent is gRPC's encoding of a status text.
func percent(text string) string {
	const most = 8 << 10 // far below any header list
	var b strings.Builder
	for i := 0; i < len(text) && b.Len() < most; i++ {
		if ch := text[i]; ch >= ' ' && ch <= '~' && ch != '%' {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}
