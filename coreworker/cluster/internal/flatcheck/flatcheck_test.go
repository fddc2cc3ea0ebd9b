package flatcheck

import (
	"encoding/binary"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
)

var slots = []Field{Int, Text, Texts, Table(Long, Text), Tables(Int), Bool, Octets}

func sample() []byte {
	b := flatbuffers.NewBuilder(0)
	text, one := b.CreateString("text"), b.CreateByteString([]byte{1, 2, 3})
	texts := b.CreateVectorOfTables([]flatbuffers.UOffsetT{text, one})
	octets := b.CreateByteVector([]byte{4, 5})
	b.StartObject(2)
	b.PrependInt64Slot(0, 7, 0)
	b.PrependUOffsetTSlot(1, one, 0)
	inner := b.EndObject()
	b.StartObject(1)
	b.PrependInt32Slot(0, 9, 0)
	small := b.EndObject()
	tables := b.CreateVectorOfTables([]flatbuffers.UOffsetT{small})
	b.StartObject(7)
	b.PrependInt32Slot(0, 1, 0)
	b.PrependUOffsetTSlot(1, text, 0)
	b.PrependUOffsetTSlot(2, texts, 0)
	b.PrependUOffsetTSlot(3, inner, 0)
	b.PrependUOffsetTSlot(4, tables, 0)
	b.PrependBoolSlot(5, true, false)
	b.PrependUOffsetTSlot(6, octets, 0)
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

func TestWhatTheLibraryWritesIsRight(t *testing.T) {
	if err := Check(sample(), slots...); err != nil {
		t.Error(err)
	}
	b := flatbuffers.NewBuilder(0)
	b.StartObject(0)
	b.Finish(b.EndObject())
	if err := Check(b.FinishedBytes()); err != nil {
		t.Errorf("an empty table: %v", err)
	}
}

// TestWhatIsBrokenIsFound breaks every offset and length of a buffer in turn. Numbers and characters may be anything.
func TestWhatIsBrokenIsFound(t *testing.T) {
	good, found := sample(), 0
	for at := 0; at+4 <= len(good); at += 4 {
		for _, wrong := range []uint32{1 << 30, 0xFFFFFFFF, uint32(len(good))} {
			bad := append([]byte(nil), good...)
			binary.LittleEndian.PutUint32(bad[at:], wrong)
			if Check(bad, slots...) != nil {
				found++
				break
			}
		}
	}
	// Root, a vtable's four words, six offsets, four lengths and as many offsets in vectors: the rest is numbers and text.
	if found < 15 {
		t.Errorf("%d of the words of %d bytes matter", found, len(good))
	}
	if Check(sample(), slots[:5]...) == nil {
		t.Error("slots that the schema does not have")
	}
	if Check(good[:len(good)-4], slots...) == nil {
		t.Error("a buffer that was cut off")
	}
	if Check(sample(), Long, Text, Texts, Table(Long, Text), Tables(Int), Bool, Octets) == nil {
		t.Error("a number of another size")
	}
}
