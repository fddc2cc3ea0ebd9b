// Package ids owns Ray's identifiers: their lengths and layouts, how one is derived from another, and their text
// form.
//
//	job      4   uint32, little-endian
//	actor   16   12 unique bytes + job
//	task    24    8 unique bytes + actor (12 x 0xFF + job where there is no actor)
//	object  28   task + uint32 index, little-endian: 1, 2, … for returns, above PutIndexBase for puts
//	worker, node, function   28
//
// Every id is an array, so it is a map key and costs no allocation. The constructors that take bytes check nothing
// but the length: whoever sent the bytes chose them.
//
// It refuses to know what an id stands for: no table, no counter, no task. The only source of chance is
// crypto/rand in the New functions.
package ids
