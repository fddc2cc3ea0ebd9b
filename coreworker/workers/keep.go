package workers

import (
	"fmt"
	"time"
)

const (
	maxZygoteFailures = 3           // in a row, before the births that wait are failed
	maxSlainYoung     = 20          // in a row, killed from outside before they were ready, and for as long as Config.SlainPatience
	provenAfter       = time.Second // a ready zygote that lived this long, or forked, did not fail to start
	firstPause        = 10 * time.Millisecond
)

// keepZygote has a zygote running until the pool closes.
//
// Zygotes that cannot start, several in a row, fail the births that wait; the next birth that is wished for is worth one
// more try, for what was wrong (no memory, no processes left, a package half installed) may be over by then. One that is
// killed from outside is no such failure, however young it dies: births wait on, and the next zygote is started, ever more
// slowly, lest a machine without memory has its last processor taken too. Only where many in a row were killed before they were
// ready, and none was for minutes, it is sure that none will be, and who waits has to hear of it.
func (p *Pool) keepZygote() {
	defer p.settle()
	var young slainYoung
	for failures, pause := 0, firstPause; ; {
		z, err := p.startZygote()
		if err == nil {
			err = p.serve(z)
		}
		switch {
		case z != nil && z.proven():
			failures, young, pause = 0, slainYoung{}, firstPause
		case z != nil && z.slain:
			if z.ready.IsZero() {
				young.another()
			} else {
				young = slainYoung{} // they do become ready
			}
			if !p.sleep(pause) {
				return
			}
			pause = min(2*pause, p.cfg.longestPause)
		default:
			failures++
		}
		noneComes := young.sure(p.cfg.SlainPatience)
		if noneComes {
			err = fmt.Errorf("%d zygotes in a row were killed before they were ready, none was for %v; the last one: %w", young.number,
				time.Since(young.since).Round(time.Second/10), err)
		}
		if noneComes || failures >= maxZygoteFailures {
			p.failWaiting(err)
			if !p.wished() {
				return
			}
			failures = min(failures, maxZygoteFailures-1)
		}
		if p.isClosed() {
			return
		}
		p.cfg.Logf("workers: a new zygote is started: %v", err)
	}
}

// slainYoung are zygotes in a row that were killed from outside before they were ready.
type slainYoung struct {
	number int
	since  time.Time // the end of the first
}

func (s *slainYoung) another() {
	if s.number == 0 {
		s.since = time.Now()
	}
	s.number++
}

// sure says whether no zygote will ever be ready.
func (s *slainYoung) sure(patience time.Duration) bool {
	return s.number >= maxSlainYoung && time.Since(s.since) >= patience
}

func (z *zygote) proven() bool {
	return z.served > 0 || (!z.ready.IsZero() && time.Since(z.ready) > provenAfter)
}

// failWaiting tells all births that wait why no zygote can be had. Whoever asks after it sets off another try.
func (p *Pool) failWaiting(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := p.waiting
	p.waiting = nil
	select {
	case <-p.wish:
	default:
	}
	for _, b := range lost {
		p.running.Go(func() { p.fail(b, why) })
	}
}

// wished waits until a birth waits for a zygote; false when the pool closes.
func (p *Pool) wished() bool {
	select {
	case <-p.wish:
		return true
	case <-p.stop:
		return false
	}
}

// sleep is false when the pool closes.
func (p *Pool) sleep(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}
