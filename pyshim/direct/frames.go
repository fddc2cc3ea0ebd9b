package direct

import (
	"encoding/binary"
	"fmt"
)

// The numbers of RFC 9113.
const (
	frameData = iota
	frameHeaders
	framePriority
	frameRST
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingHeaderTable   = 1
	settingMaxStreams    = 3
	settingWindow        = 4
	settingMaxFrame      = 5
	settingMaxHeaderList = 6

	frameHeader   = 9
	defaultWindow = 65535
	maxWindow     = 1<<31 - 1
	defaultFrame  = 16384
	maxFrame      = 1<<24 - 1
	prefixLen     = 5 // gRPC's flag and length before a message
	stream        = 1 // the one there is

	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// header is that of a frame.
type header struct {
	length      int
	kind, flags byte
	stream      uint32
}

func readHeader(b []byte) header {
	word := binary.BigEndian.Uint32(b)
	return header{int(word >> 8), byte(word), b[4], binary.BigEndian.Uint32(b[5:]) & maxWindow}
}

func appendHeader(b []byte, length int, kind, flags byte, id uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(length)<<8|uint32(kind))
	return binary.BigEndian.AppendUint32(append(b, flags), id)
}

func appendWindowUpdate(b []byte, id uint32, increment int) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(b, 4, frameWindowUpdate, 0, id), uint32(increment))
}

// unpad takes the padding off a payload.
func unpad(h header, p []byte) ([]byte, error) {
	if h.flags&flagPadded == 0 {
		return p, nil
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, fmt.Errorf("a frame shorter than its padding")
	}
	return p[1 : len(p)-int(p[0])], nil
}
