package pyshim

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

// oneStream is a client with one stream on a connection, which begins like the shim's own and so is served by the loop.
type oneStream struct {
	conn   net.Conn
	framer *http2.Framer
	mu     sync.Mutex // one writer at a time
	data   []byte
}

func openDirect(t testing.TB, socket string) *oneStream {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var opening, block bytes.Buffer
	opening.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&opening, nil)
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", pb.Boundary_Lane_FullMethodName},
		{":authority", "localhost"}, {"te", "trailers"}, {"content-type", "application/grpc"}, {"user-agent", direct.Agent}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(opening.Bytes()); err != nil {
		t.Fatal(err)
	}
	s := &oneStream{conn: conn, framer: http2.NewFramer(conn, conn)}
	s.framer.ReadMetaHeaders = hpack.NewDecoder(0, nil)
	return s
}

func (s *oneStream) Send(m *pb.FromShim) error {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 5), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(b) > 0 {
		n := min(len(b), 16384)
		if err := s.framer.WriteData(1, false, b[:n]); err != nil {
			return io.EOF
		}
		b = b[n:]
	}
	return nil
}

func (s *oneStream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.framer.WriteData(1, true, nil)
}

func (s *oneStream) Recv() (*pb.ToShim, error) {
	for {
		if len(s.data) >= 5 {
			if end := 5 + int(binary.BigEndian.Uint32(s.data[1:])); len(s.data) >= end {
				m := &pb.ToShim{}
				err := proto.Unmarshal(s.data[5:end], m)
				s.data = s.data[end:]
				return m, err
			}
		}
		f, err := s.framer.ReadFrame()
		if err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				s.write(s.framer.WriteSettingsAck)
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				return nil, trailerStatus(f.Fields)
			}
		case *http2.DataFrame:
			s.data = append(s.data, f.Data()...)
			if n := uint32(len(f.Data())); n > 0 {
				s.write(func() error { return s.framer.WriteWindowUpdate(0, n) })
				s.write(func() error { return s.framer.WriteWindowUpdate(1, n) })
			}
		}
	}
}

// write answers; a server that is gone shows in the next read.
func (s *oneStream) write(frame func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = frame()
}

func trailerStatus(fields []hpack.HeaderField) error {
	code, text := 0, ""
	for _, f := range fields {
		switch f.Name {
		case "grpc-status":
			code, _ = strconv.Atoi(f.Value)
		case "grpc-message":
			text = f.Value
		}
	}
	if code == 0 {
		return io.EOF
	}
	return status.Error(codes.Code(code), text)
}
