package coreworker

import "fmt"

// The order of a process (docs/design.md): mutations are numbered across its lanes and applied in that order, each once.

const (
	// maxLate and maxLateBytes bound what of one process waits for a mutation that has not come. A shim writes an earlier
	// number before a later one, so what its lanes bring out of order is what they have on their way at a time.
	maxLate      = 1 << 16
	maxLateBytes = 256 << 20
)

// order is where a process stands, and what waits for its turn.
type order struct {
	applied uint64
	late    map[uint64][]late // by the mutation that each waits for
	count   int
	bytes   int
	waking  bool
}

// Parcel is what brings a mutation or a request: the lane, and about how many bytes it keeps while it waits.
type Parcel struct {
	Lane  any
	Bytes int
}

// late is work that waits until a mutation was applied.
type late struct {
	Parcel
	fn func()
}

// What a process has sent may be read after its end was seen: a worker that submits and dies. Nothing of that is carried
// out, for there is nobody any more who could hold the results or be told.

// Mutate applies mutation `number` when all before it were applied; one that was applied before is ignored.
func (p *Process) Mutate(number uint64, in Parcel, fn func()) {
	switch {
	case p.gone || number <= p.order.applied:
		return
	case number == p.order.applied+1:
		p.order.applied = number
		fn()
		p.wake()
	default:
		p.order.add(number-1, late{in, func() { p.Mutate(number, in, fn) }})
	}
}

// After calls fn when mutation `number` was applied, which may be now.
func (p *Process) After(number uint64, in Parcel, fn func()) {
	switch {
	case p.gone:
	case number <= p.order.applied:
		fn()
	default:
		p.order.add(number, late{in, fn})
	}
}

func (o *order) add(number uint64, l late) {
	if o.late == nil {
		o.late = map[uint64][]late{}
	}
	o.late[number] = append(o.late[number], l)
	o.count++
	o.bytes += l.Bytes
}

// wake runs what has become due. Running it may apply the next mutation, so it goes on until nothing is due; what is run
// comes back here and finds it under way.
func (p *Process) wake() {
	o := &p.order
	if o.waking || o.count == 0 {
		return
	}
	o.waking = true
	for number := o.applied; ; number++ {
		due := o.late[number]
		delete(o.late, number)
		for _, l := range due {
			o.count--
			o.bytes -= l.Bytes
			l.fn()
		}
		if number == o.applied {
			break
		}
	}
	o.waking = false
}

// Applied is the number of the last mutation that was applied.
func (p *Process) Applied() uint64 { return p.order.applied }

// Held is how much of the process waits, for its turn or for objects.
func (p *Process) Held() int { return p.order.count + len(p.parked) }

// Excess says that too much of this process waits, for a mutation that has not come or in requests; nil when it does not.
// The lane that brought more is to be cut off: no shim gets there.
func (p *Process) Excess() error {
	switch o := &p.order; {
	case o.count > maxLate || o.bytes > maxLateBytes:
		return fmt.Errorf("%d mutations and requests (%d bytes) of this process wait for its mutation %d, which has not come; at most %d (%d bytes) may",
			o.count, o.bytes, o.applied+1, maxLate, maxLateBytes)
	case len(p.parked) > maxParked:
		return fmt.Errorf("%d requests of this process wait for objects; at most %d may", len(p.parked), maxParked)
	}
	return nil
}

// Unsend forgets what a lane has brought and nothing has come of yet, as if its stream had ended before. A shim that lost a
// lane sends again what was not applied.
func (p *Process) Unsend(lane any) {
	o := &p.order
	for number, list := range o.late {
		kept := list[:0]
		for _, l := range list {
			if l.Lane != lane {
				kept = append(kept, l)
				continue
			}
			o.count--
			o.bytes -= l.Bytes
		}
		clear(list[len(kept):])
		if o.late[number] = kept; len(kept) == 0 {
			delete(o.late, number)
		}
	}
}
