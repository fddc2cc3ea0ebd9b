package cluster

import (
	"encoding/hex"
	"fmt"
	"math"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// plain is a message as JSON has it, by the names of its fields: bytes in hexadecimal, enums by name, whole numbers as numbers, however
// large. A field that says whether it is set is left out where it is not; all others are there.
func plain(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); !f.HasPresence() || m.Has(f) {
			out[string(f.Name())] = plainField(f, m.Get(f))
		}
	}
	return out
}

func plainField(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsMap():
		out := map[string]any{}
		v.Map().Range(func(key protoreflect.MapKey, one protoreflect.Value) bool {
			out[key.String()] = plainValue(f.MapValue(), one)
			return true
		})
		return out
	case f.IsList():
		out := make([]any, v.List().Len())
		for i := range out {
			out[i] = plainValue(f, v.List().Get(i))
		}
		return out
	}
	return plainValue(f, v)
}

func plainValue(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return plain(v.Message())
	case protoreflect.BytesKind:
		return hex.EncodeToString(v.Bytes())
	case protoreflect.EnumKind:
		if known := f.Enum().Values().ByNumber(v.Enum()); known != nil {
			return string(known.Name())
		}
		return int32(v.Enum()) // of a later release
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if x := v.Float(); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprint(x) // JSON has no such number
		}
	}
	return v.Interface()
}
