package direct

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

const readSize = 64 << 10

// Loop reads and writes all lines, in one goroutine. That is what makes a call cheap: a message that comes in is carried
// out and what follows from it is written, without a hand-over between goroutines and without waking a second processor.
type Loop struct {
	epoll, event int
	limits       Limits

	mu       sync.Mutex // the lowest of all locks; never held across a system call that waits
	woken    []*Line
	fresh    []*Line // to be taken up
	chores   []func()
	asleep   bool // in epoll_wait, or about to be: whoever wants something writes to event
	closing  bool
	hurrying bool

	lines map[int32]*Line // the loop's own, as is what follows
	told  bool            // that the loop is closing
	buf   []byte
	done  chan struct{}
}

// NewLoop starts a loop. Close ends it.
func NewLoop(limits Limits) (*Loop, error) {
	p := &Loop{limits: limits, lines: map[int32]*Line{}, buf: make([]byte, readSize), done: make(chan struct{})}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("direct: epoll: %w", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(p.epoll)
		return nil, fmt.Errorf("direct: eventfd: %w", err)
	}
	if err = p.watch(unix.EPOLL_CTL_ADD, p.event, unix.EPOLLIN); err != nil {
		p.release()
		return nil, err
	}
	go p.run()
	return p, nil
}

func (p *Loop) release() {
	unix.Close(p.event)
	unix.Close(p.epoll)
}

func (p *Loop) watch(op, fd int, events uint32) error {
	err := unix.EpollCtl(p.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err == nil && op != unix.EPOLL_CTL_DEL && fd != p.event {
		err = faults.Err("line.watch", unix.ENOMEM)
	}
	if err != nil {
		return fmt.Errorf("direct: epoll: %w", err)
	}
	return nil
}

// add takes a connection up; the loop owns fd, which does not block, from here on. False when the loop is closing.
func (p *Loop) add(fd int, c *conn, handle func(*Line) Handler) bool {
	l := &Line{loop: p, fd: fd, conn: c}
	l.handler = handle(l)
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return false
	}
	p.fresh = append(p.fresh, l)
	p.rouse()
	return true
}

// rouse sees to it that the loop looks, and lets go of the lock: not before, for the event is closed under it.
func (p *Loop) rouse() {
	if p.asleep {
		p.asleep = false
		one := [8]byte{1}
		_, _ = unix.Write(p.event, one[:]) // it never waits; full would mean that the loop is about to look anyway
	}
	p.mu.Unlock()
}

// Close ends all lines, after what waits for clients that read it within patience, and then the loop.
func (p *Loop) Close(patience time.Duration) {
	hurry := time.AfterFunc(patience, func() {
		p.mu.Lock()
		p.hurrying = true
		p.rouse()
	})
	defer hurry.Stop()
	p.mu.Lock()
	p.closing = true
	p.rouse()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release() // under the lock: nobody writes to the event any more
	p.event = -1
}

func (p *Loop) run() {
	defer close(p.done)
	events := make([]unix.EpollEvent, 64)
	for turn := 0; !p.turn(); turn++ {
		if turn%8 == 0 {
			// This goroutine never waits in Go's scheduler, which takes that for one task of more than 10 ms: its monitor
			// would interrupt us, take our processor away in epoll_wait, and look every 20 µs from then on.
			runtime.Gosched()
		}
		n, err := unix.EpollWait(p.epoll, events, -1)
		p.mu.Lock()
		p.asleep = false
		p.mu.Unlock()
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(fmt.Sprintf("direct: epoll_wait: %v", err)) // of a descriptor of our own: nothing could go on
		}
		for _, e := range events[:max(n, 0)] {
			p.ready(e)
		}
	}
}

// turn does what others asked for, until there is nothing left and the loop may sleep; true when it is to end.
func (p *Loop) turn() (end bool) {
	for {
		p.mu.Lock()
		fresh, woken, chores, closing, hurrying := p.fresh, p.woken, p.chores, p.closing, p.hurrying
		idle := len(fresh) == 0 && len(woken) == 0 && len(chores) == 0
		if idle && (!closing || p.told && (len(p.lines) == 0 || !hurrying)) {
			end = closing && len(p.lines) == 0
			p.asleep = !end
			p.mu.Unlock()
			return end
		}
		p.fresh, p.woken, p.chores = nil, nil, nil
		for _, l := range woken {
			l.awake = false
		}
		p.mu.Unlock()
		for _, l := range fresh {
			p.begin(l)
		}
		for _, l := range woken {
			l.flush()
		}
		for _, chore := range chores {
			chore()
		}
		if closing {
			p.told = true
			for _, l := range p.lines {
				if !l.conn.finishing {
					l.handler.Leave()
				}
				l.flush()
				if hurrying {
					l.hangUp()
				}
			}
		}
	}
}

func (p *Loop) begin(l *Line) {
	p.lines[int32(l.fd)] = l
	if err := p.watch(unix.EPOLL_CTL_ADD, l.fd, unix.EPOLLIN); err != nil {
		l.hangUp()
		return
	}
	l.deliver(nil)
	l.flush()
}

func (p *Loop) ready(e unix.EpollEvent) {
	if e.Fd == int32(p.event) {
		var n [8]byte
		_, _ = unix.Read(p.event, n[:]) // it only wakes
		return
	}
	l := p.lines[e.Fd]
	if l == nil {
		return // closed in this very turn
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		l.read()
	}
	l.flush()
}
