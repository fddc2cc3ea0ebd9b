package workers

import "sync"

// outlet hands the output of all processes on from one goroutine, a batch of each in turn, so that one that prints
// without end delays the others by a batch and no more.
type outlet struct {
	mu     sync.Mutex
	list   []*output
	wake   chan struct{} // buffered 1
	open   bool          // a handler is there; before, the rings hold what comes
	ended  bool
	closed chan struct{}
}

func newOutlet() *outlet {
	o := &outlet{wake: make(chan struct{}, 1), closed: make(chan struct{})}
	go o.run()
	return o
}

// push is called with out's lock held: the order of locks is output, then outlet.
func (o *outlet) push(out *output) {
	o.mu.Lock()
	o.list = append(o.list, out)
	o.mu.Unlock()
	o.kick()
}

func (o *outlet) setOpen() {
	o.mu.Lock()
	o.open = true
	o.mu.Unlock()
	o.kick()
}

func (o *outlet) kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outlet) run() {
	defer close(o.closed)
	for {
		o.mu.Lock()
		if len(o.list) == 0 || !o.open {
			ended := o.ended
			o.mu.Unlock()
			if ended {
				return
			}
			<-o.wake
			continue
		}
		out := o.list[0]
		o.list = append(o.list[:0], o.list[1:]...)
		o.mu.Unlock()
		if out.handOn() {
			o.mu.Lock()
			o.list = append(o.list, out)
			o.mu.Unlock()
		}
	}
}

// close hands on what is left and returns. Nothing may be pushed any more.
func (o *outlet) close() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.kick()
	<-o.closed
}
