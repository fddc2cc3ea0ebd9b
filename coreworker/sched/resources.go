package sched

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrResources is wrapped by every error about resources that cannot be asked for.
var ErrResources = errors.New("bad resources")

// Names with a meaning of their own; all others are the user's.
const (
	CPU = "CPU"
	GPU = "GPU"
)

const (
	unit    = 10_000 // what 1 is counted as
	largest = 1e14   // times unit still fits an int64
)

type item struct {
	name   string
	amount int64 // in 1/unit, never 0
}

// Resources is what a task asks for or a machine has. It is a value: nothing changes it. The zero value is nothing.
type Resources struct {
	cpu  int64
	rest []item // all but CPU, sorted by name
}

// From makes resources from amounts by name; amounts of 0 are left out. A negative amount, one that is not a number,
// or one too small to count is an error.
func From(amounts map[string]float64) (Resources, error) { return Collect(maps.All(amounts)) }

// Collect is From for any sequence of names and amounts; a name that comes twice is an error.
func Collect(amounts iter.Seq2[string, float64]) (Resources, error) {
	var r Resources
	seen := false
	for name, amount := range amounts {
		n, err := fixed(name, amount)
		switch {
		case err != nil:
			return Resources{}, err
		case name == "":
			return Resources{}, fmt.Errorf("%w: a resource without a name", ErrResources)
		case name == CPU && seen:
			return Resources{}, twice(name)
		case name == CPU:
			r.cpu, seen = n, true
		default:
			r.rest = append(r.rest, item{name, n})
		}
	}
	slices.SortFunc(r.rest, func(a, b item) int { return strings.Compare(a.name, b.name) })
	for i := range r.rest[min(1, len(r.rest)):] {
		if r.rest[i].name == r.rest[i+1].name {
			return Resources{}, twice(r.rest[i].name)
		}
	}
	r.rest = slices.DeleteFunc(r.rest, func(i item) bool { return i.amount == 0 })
	return r, nil
}

// Parse reads a JSON object of names and amounts, the form of the command line.
func Parse(text []byte) (Resources, error) {
	var amounts map[string]float64
	if err := json.Unmarshal(text, &amounts); err != nil {
		return Resources{}, fmt.Errorf("%w: %w", ErrResources, err)
	}
	return From(amounts)
}

// CPUs is Resources of CPU only, for tests and defaults.
func CPUs(n int) Resources { return Resources{cpu: int64(n) * unit} }

func twice(name string) error { return fmt.Errorf("%w: %s is named twice", ErrResources, name) }

func fixed(name string, amount float64) (int64, error) {
	switch {
	case math.IsNaN(amount) || amount > largest:
		return 0, fmt.Errorf("%w: %s: %v is not an amount", ErrResources, name, amount)
	case amount < 0:
		return 0, fmt.Errorf("%w: %s: %v is negative", ErrResources, name, amount)
	}
	// Rounded, not cut off: 0.57 * 10000 is 5699.999… in binary. Ray does the same.
	n := int64(math.Round(amount * unit))
	if n == 0 && amount > 0 {
		return 0, fmt.Errorf("%w: %s: %v is below the smallest amount, 0.0001", ErrResources, name, amount)
	}
	return n, nil
}

// Get is the amount of one resource; 0 where there is none.
func (r Resources) Get(name string) float64 { return float64(r.get(name)) / unit }

// IsZero says whether nothing is asked for.
func (r Resources) IsZero() bool { return r.cpu == 0 && len(r.rest) == 0 }

// Equal says whether both are the same amounts.
func (r Resources) Equal(o Resources) bool { return r.cpu == o.cpu && slices.Equal(r.rest, o.rest) }

// All gives names and amounts: CPU first, the rest by name.
func (r Resources) All() iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		if r.cpu != 0 && !yield(CPU, float64(r.cpu)/unit) {
			return
		}
		for _, i := range r.rest {
			if !yield(i.name, float64(i.amount)/unit) {
				return
			}
		}
	}
}

// String gives the amounts as people write them.
func (r Resources) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for name, amount := range r.All() {
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(name + ": " + strconv.FormatFloat(amount, 'f', -1, 64))
	}
	b.WriteByte('}')
	return b.String()
}

// Of is how much of what the request names there is.
func (r Resources) Of(req Resources) Resources {
	var out Resources
	if req.cpu > 0 {
		out.cpu = r.cpu
	}
	for _, i := range req.rest {
		if amount := r.get(i.name); amount > 0 {
			out.rest = append(out.rest, item{i.name, amount})
		}
	}
	return out
}

// plus is both together. More than can be counted is the most that can: no machine has it.
func (r Resources) plus(o Resources) Resources {
	add := func(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }
	sum := Resources{cpu: add(r.cpu, o.cpu), rest: slices.Clone(r.rest)}
	for _, more := range o.rest {
		if i, ok := sum.place(more.name); ok {
			sum.rest[i].amount = add(sum.rest[i].amount, more.amount)
		} else {
			sum.rest = slices.Insert(sum.rest, i, more)
		}
	}
	return sum
}

func (r Resources) get(name string) int64 {
	if name == CPU {
		return r.cpu
	}
	if i, ok := r.place(name); ok {
		return r.rest[i].amount
	}
	return 0
}

func (r Resources) place(name string) (int, bool) {
	return slices.BinarySearchFunc(r.rest, name, func(i item, name string) int { return strings.Compare(i.name, name) })
}

// Key stands for a scheduling class: equal for equal resources, and fit to be a map key.
type Key struct {
	cpu  int64
	rest string
}

// Key is the scheduling class of tasks that ask for r: what fits for one of them fits for all.
func (r Resources) Key() Key {
	if len(r.rest) == 0 {
		return Key{cpu: r.cpu}
	}
	var b []byte
	for _, i := range r.rest {
		// Quoted, so that no name can end in what looks like an amount and the next name.
		b = strconv.AppendQuote(b, i.name)
		b = strconv.AppendInt(b, i.amount, 10)
	}
	return Key{cpu: r.cpu, rest: string(b)}
}
