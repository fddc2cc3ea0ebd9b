// Package flatcheck checks a flatbuffer as the receiver's verifier would: every offset leads to where it may, everything is aligned,
// every string ends with a zero. It reads with the library's own tables, and so is a second reader beside package ipc.
//
// A raylet does not verify what it is sent, it believes it: what is wrong there ends the process of the whole node. So the tests of
// the two packages that write such messages check each of them here.
package flatcheck

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Field is what a slot of a table may hold.
type Field struct {
	kind kind
	size int     // of a scalar
	of   []Field // the slots of a table, or of each table of a vector
}

type kind int

const (
	scalar kind = iota
	text        // also of bytes: a string in a schema
	texts
	table
	tables
	octets
)

// The fields there are.
var (
	Bool   = Field{kind: scalar, size: 1}
	Int    = Field{kind: scalar, size: 4}
	Long   = Field{kind: scalar, size: 8}
	Text   = Field{kind: text}
	Texts  = Field{kind: texts}
	Octets = Field{kind: octets}
)

// Table is a field that holds a table with these slots.
func Table(slots ...Field) Field { return Field{kind: table, of: slots} }

// Tables is a field that holds a vector of such tables.
func Tables(slots ...Field) Field { return Field{kind: tables, of: slots} }

// Check says what is wrong with a buffer whose root has these slots; nil: nothing.
func Check(buf []byte, slots ...Field) (err error) {
	defer func() { // the library's reader trusts offsets; what it reads outside ends here
		if r := recover(); r != nil {
			err = fmt.Errorf("read outside of the buffer: %v", r)
		}
	}()
	c := checker(buf)
	at := flatbuffers.GetUOffsetT(buf)
	if at%4 != 0 {
		return fmt.Errorf("the root at %d is not aligned", at)
	}
	return c.table(at, slots)
}

type checker []byte

func (c checker) table(at flatbuffers.UOffsetT, slots []Field) error {
	if err := c.within("a table", at, 4, 4); err != nil {
		return err
	}
	vtable := flatbuffers.UOffsetT(flatbuffers.SOffsetT(at) - flatbuffers.GetSOffsetT(c[at:]))
	if err := c.within("a vtable", vtable, 4, 2); err != nil {
		return err
	}
	described, length := flatbuffers.GetVOffsetT(c[vtable:]), flatbuffers.GetVOffsetT(c[vtable+2:])
	if described < 4 || described%2 != 0 || int(described-4)/2 > len(slots) {
		return fmt.Errorf("a vtable of %d bytes for %d slots", described, len(slots))
	}
	if err := c.within("a vtable", vtable, int(described), 2); err != nil {
		return err
	}
	if err := c.within("a table", at, int(length), 4); err != nil {
		return err
	}
	t := flatbuffers.Table{Bytes: c, Pos: at}
	taken := map[int]int{}
	for slot, f := range slots {
		offset := flatbuffers.UOffsetT(t.Offset(flatbuffers.VOffsetT(4 + 2*slot)))
		if offset == 0 {
			continue
		}
		size := 4
		if f.kind == scalar {
			size = f.size
		}
		if int(offset) < 4 || int(offset)+size > int(length) || int(at+offset)%size != 0 {
			return fmt.Errorf("slot %d: %d bytes at %d of a table of %d", slot, size, offset, length)
		}
		for i := range size {
			if other, twice := taken[int(offset)+i]; twice {
				return fmt.Errorf("slots %d and %d share a byte", other, slot)
			}
			taken[int(offset)+i] = slot
		}
		if err := c.field(&t, at+offset, f); err != nil {
			return fmt.Errorf("slot %d: %w", slot, err)
		}
	}
	return nil
}

func (c checker) field(t *flatbuffers.Table, at flatbuffers.UOffsetT, f Field) error {
	if f.kind == scalar {
		return nil
	}
	if f.kind == table {
		return c.table(t.Indirect(at), f.of)
	}
	vector := t.Indirect(at)
	if err := c.within("a vector", vector, 4, 4); err != nil {
		return err
	}
	n := int(flatbuffers.GetUOffsetT(c[vector:]))
	switch f.kind {
	case text, octets:
		return c.text(vector, f.kind == text)
	default:
		if err := c.within("a vector", vector+4, 4*n, 4); err != nil {
			return err
		}
	}
	for i := range n {
		inner := t.Indirect(vector + 4 + 4*flatbuffers.UOffsetT(i))
		err := error(nil)
		if f.kind == tables {
			err = c.table(inner, f.of)
		} else {
			err = c.text(inner, true)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func (c checker) text(at flatbuffers.UOffsetT, ends bool) error {
	if err := c.within("a string", at, 4, 4); err != nil {
		return err
	}
	n := int(flatbuffers.GetUOffsetT(c[at:]))
	if err := c.within("a string", at+4, n, 1); err != nil || !ends {
		return err
	}
	if end := int(at) + 4 + n; end >= len(c) || c[end] != 0 {
		return fmt.Errorf("a string of %d bytes at %d does not end with a zero", n, at)
	}
	return nil
}

func (c checker) within(what string, at flatbuffers.UOffsetT, size, aligned int) error {
	if int(at)%aligned != 0 || size < 0 || int(at)+size > len(c) {
		return fmt.Errorf("%s: %d bytes at %d of %d, of which addresses are multiples of %d", what, size, at, len(c), aligned)
	}
	return nil
}
