package ipc

import (
	"encoding/binary"
	"fmt"
)

// Table reads the fields of one flatbuffer table by their slots. A field that is absent is zero. The first offset or length
// that leads out of the buffer makes all that is read from then on zero; Err tells of it.
type Table struct {
	buf    []byte
	pos    uint64 // of the table
	fields []byte // of its vtable: two bytes a slot
	err    error
}

// Root is the table that a buffer holds.
func Root(buf []byte) *Table {
	t := &Table{buf: buf}
	t.open(uint64(t.u32(0)))
	return t
}

func (t *Table) open(pos uint64) {
	t.pos = pos
	vtable := int64(pos) - int64(int32(t.u32(pos)))
	if vtable < 0 {
		t.fail("a table before the buffer")
		return
	}
	size := uint64(t.u16(uint64(vtable)))
	if size < 4 || size%2 != 0 {
		t.fail("a table without a description")
		return
	}
	if described := t.span(uint64(vtable), size); t.err == nil {
		t.fields = described[4:]
	}
}

// Table is a field that holds a table, or nil. It has an Err of its own.
func (t *Table) Table(slot int) *Table {
	at, ok := t.field(slot)
	if !ok {
		return nil
	}
	return t.table(at)
}

// Tables is a field that holds a vector of tables. Each has an Err of its own.
func (t *Table) Tables(slot int) []*Table {
	elements, n := t.vector(slot, 4)
	var out []*Table
	for i := range n {
		out = append(out, t.table(elements+4*i))
	}
	return out
}

func (t *Table) table(at uint64) *Table {
	inner := &Table{buf: t.buf, err: t.err}
	inner.open(at + uint64(t.u32(at)))
	return inner
}

// Err is what was wrong with the buffer, as far as it was read.
func (t *Table) Err() error { return t.err }

// Bool is a field.
func (t *Table) Bool(slot int) bool {
	at, ok := t.field(slot)
	if !ok {
		return false
	}
	b := t.span(at, 1)
	return len(b) == 1 && b[0] != 0
}

// Int32 is a field.
func (t *Table) Int32(slot int) int32 {
	at, ok := t.field(slot)
	if !ok {
		return 0
	}
	return int32(t.u32(at))
}

// Uint64 is a field; a long is one too.
func (t *Table) Uint64(slot int) uint64 {
	at, ok := t.field(slot)
	if !ok {
		return 0
	}
	b := t.span(at, 8)
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Bytes is a field that holds a string or a vector of bytes. It shares the buffer's memory.
func (t *Table) Bytes(slot int) []byte {
	at, ok := t.field(slot)
	if !ok {
		return nil
	}
	return t.bytes(at)
}

// List is a field that holds a vector of strings. They share the buffer's memory.
func (t *Table) List(slot int) [][]byte {
	elements, n := t.vector(slot, 4)
	var out [][]byte
	for i := range n {
		out = append(out, t.bytes(elements+4*i))
	}
	return out
}

// Struct is a field that holds a struct of the given size, or nil. It shares the buffer's memory.
func (t *Table) Struct(slot, size int) []byte {
	at, ok := t.field(slot)
	if !ok {
		return nil
	}
	return t.span(at, uint64(size))
}

// Vector is a field that holds a vector of elements of one size: scalars, or structs. It shares the buffer's memory.
func (t *Table) Vector(slot, size int) []byte {
	elements, n := t.vector(slot, uint64(size))
	return t.span(elements, n*uint64(size))
}

func (t *Table) vector(slot int, size uint64) (elements, n uint64) {
	at, ok := t.field(slot)
	if !ok {
		return 0, 0
	}
	at += uint64(t.u32(at))
	n = uint64(t.u32(at))
	t.span(at+4, n*size) // before anybody makes room for as many as it says
	if t.err != nil {
		return 0, 0
	}
	return at + 4, n
}

func (t *Table) bytes(at uint64) []byte {
	at += uint64(t.u32(at))
	return t.span(at+4, uint64(t.u32(at)))
}

func (t *Table) field(slot int) (at uint64, ok bool) {
	if t.err != nil || 2*slot+2 > len(t.fields) {
		return 0, false
	}
	offset := binary.LittleEndian.Uint16(t.fields[2*slot:])
	return t.pos + uint64(offset), offset != 0
}

func (t *Table) u16(at uint64) uint16 {
	b := t.span(at, 2)
	if len(b) < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

func (t *Table) u32(at uint64) uint32 {
	b := t.span(at, 4)
	if len(b) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// span is a part of the buffer, or nil. No sum here can overflow: every offset and length was read from 32 bits.
func (t *Table) span(at, size uint64) []byte {
	if t.err != nil {
		return nil
	}
	if at+size > uint64(len(t.buf)) {
		t.fail(fmt.Sprintf("%d bytes at %d of %d", size, at, len(t.buf)))
		return nil
	}
	return t.buf[at : at+size : at+size]
}

func (t *Table) fail(what string) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: %s", ErrFrame, what)
	}
}
