package cluster_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/proto/ray"
)

// printDescriptors prints the descriptors that Ray's generated modules carry, those they import first.
const printDescriptors = `
import importlib, pathlib, sys
import ray.core.generated as generated
from google.protobuf import descriptor_pb2
sys.path.insert(0, list(generated.__path__)[0])
files = descriptor_pb2.FileDescriptorSet()
seen = set()
def add(file):
    if file.name not in seen:
        seen.add(file.name)
        for one in file.dependencies:
            add(one)
        file.CopyToProto(files.file.add())
for name in ("core_worker", "gcs_service", "node_manager"):
    add(importlib.import_module(f"ray.core.generated.{name}_pb2").DESCRIPTOR)
sys.stdout.buffer.write(files.SerializeToString())
`

var ours = []protoreflect.FileDescriptor{
	ray.File_ray_common_proto, ray.File_ray_task_proto, ray.File_ray_tables_proto, ray.File_ray_pubsub_proto,
	ray.File_ray_gcs_proto, ray.File_ray_events_proto, ray.File_ray_raylet_proto, ray.File_ray_worker_proto,
}

// TestMessagesAreRays compares what proto/ray says of Ray's messages with what the installed Ray says itself: every field's name,
// number, type, label, presence and oneof, every value of an enum, every method's types. What we leave out is not compared.
func TestMessagesAreRays(t *testing.T) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(stock.Output(t, printDescriptors), &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison{find: files.FindDescriptorByName}
	for _, file := range ours {
		c.file(file)
	}
	for _, difference := range c.differences {
		t.Error(difference)
	}
	if c.fields < 400 || c.methods < 40 {
		t.Errorf("compared %d fields and %d methods: some files were not looked at", c.fields, c.methods)
	}
}

// TestComparisonFindsWhatDiffers is the comparison on messages that differ in one way each.
func TestComparisonFindsWhatDiffers(t *testing.T) {
	field := func(change func(*descriptorpb.FieldDescriptorProto)) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String("one"), Number: proto.Int32(1),
			Type:  descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		change(f)
		return f
	}
	same := func(*descriptorpb.FieldDescriptorProto) {}
	file := func(f *descriptorpb.FieldDescriptorProto) protoreflect.FileDescriptor {
		m := &descriptorpb.DescriptorProto{Name: proto.String("Message"), Field: []*descriptorpb.FieldDescriptorProto{f}}
		if f.GetProto3Optional() {
			f.OneofIndex = proto.Int32(0)
			m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("_one")}}
		}
		d, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("f.proto"), Package: proto.String("ray.rpc"),
			Syntax: proto.String("proto3"), MessageType: []*descriptorpb.DescriptorProto{m}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for what, change := range map[string]func(*descriptorpb.FieldDescriptorProto){
		"name":   func(f *descriptorpb.FieldDescriptorProto) { f.Name = proto.String("other") },
		"number": func(f *descriptorpb.FieldDescriptorProto) { f.Number = proto.Int32(2) },
		"type": func(f *descriptorpb.FieldDescriptorProto) {
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
		},
		"label": func(f *descriptorpb.FieldDescriptorProto) {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		},
		"presence": func(f *descriptorpb.FieldDescriptorProto) { f.Proto3Optional = proto.Bool(true) },
		"":         same,
	} {
		theirs := file(field(change))
		c := comparison{find: func(name protoreflect.FullName) (protoreflect.Descriptor, error) {
			if d := theirs.Messages().ByName(name.Name()); d != nil {
				return d, nil
			}
			return nil, fmt.Errorf("no %s", name)
		}}
		c.file(file(field(same)))
		if found := len(c.differences) > 0; found != (what != "") {
			t.Errorf("a field of another %q: found %v", what, c.differences)
		}
	}
}

// comparison collects where our descriptors say something else than Ray's.
type comparison struct {
	find            func(protoreflect.FullName) (protoreflect.Descriptor, error)
	fields, methods int
	differences     []string
}

func (c *comparison) differ(format string, a ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, a...))
}

func (c *comparison) file(f protoreflect.FileDescriptor) {
	for i := range f.Messages().Len() {
		c.message(f.Messages().Get(i))
	}
	for i := range f.Enums().Len() {
		c.enum(f.Enums().Get(i))
	}
	for i := range f.Services().Len() {
		c.service(f.Services().Get(i))
	}
}

// theirs is Ray's descriptor of the same name and kind, or false, and then that was noted.
func theirs[D protoreflect.Descriptor](c *comparison, ours D) (D, bool) {
	found, err := c.find(ours.FullName())
	same, ok := found.(D)
	if err != nil || !ok {
		c.differ("%s: Ray has nothing of this name and kind", ours.FullName())
		return same, false
	}
	return same, true
}

func (c *comparison) message(ours protoreflect.MessageDescriptor) {
	rays, ok := theirs(c, ours)
	if !ok {
		return
	}
	for i := range ours.Messages().Len() {
		c.message(ours.Messages().Get(i))
	}
	for i := range ours.Enums().Len() {
		c.enum(ours.Enums().Get(i))
	}
	for i := range ours.Fields().Len() {
		f := ours.Fields().Get(i)
		c.fields++
		if other := rays.Fields().ByName(f.Name()); other == nil {
			c.differ("%s: Ray has no such field", f.FullName())
		} else if us, them := describe(f), describe(other); us != them {
			c.differ("%s is %s, and Ray's is %s", f.FullName(), us, them)
		}
	}
}

func describe(f protoreflect.FieldDescriptor) string {
	kind := f.Kind().String()
	switch {
	case f.Message() != nil:
		kind = string(f.Message().FullName())
	case f.Enum() != nil:
		kind = string(f.Enum().FullName())
	}
	oneof := "none"
	if o := f.ContainingOneof(); o != nil {
		oneof = string(o.Name())
	}
	return fmt.Sprintf("%d %s %s, presence %v, packed %v, oneof %s", f.Number(), f.Cardinality(), kind, f.HasPresence(), f.IsPacked(), oneof)
}

func (c *comparison) enum(ours protoreflect.EnumDescriptor) {
	rays, ok := theirs(c, ours)
	if !ok {
		return
	}
	if us, them := values(ours), values(rays); !slices.Equal(us, them) {
		c.differ("%s has %v, and Ray's has %v", ours.FullName(), us, them)
	}
}

func values(e protoreflect.EnumDescriptor) (all []string) {
	for i := range e.Values().Len() {
		all = append(all, fmt.Sprintf("%s=%d", e.Values().Get(i).Name(), e.Values().Get(i).Number()))
	}
	slices.Sort(all)
	return all
}

func (c *comparison) service(ours protoreflect.ServiceDescriptor) {
	rays, ok := theirs(c, ours)
	if !ok {
		return
	}
	for i := range ours.Methods().Len() {
		m := ours.Methods().Get(i)
		c.methods++
		if other := rays.Methods().ByName(m.Name()); other == nil {
			c.differ("%s: Ray has no such method", m.FullName())
		} else if us, them := signature(m), signature(other); us != them {
			c.differ("%s is %s, and Ray's is %s", m.FullName(), us, them)
		}
	}
}

func signature(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("(%s, stream %v) (%s, stream %v)", m.Input().FullName(), m.IsStreamingClient(), m.Output().FullName(), m.IsStreamingServer())
}
