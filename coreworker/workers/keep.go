package workers

import "time"

const (
	maxZygoteFailures = 3           // in a row, before the births that wait are failed
	maxSlainYoung     = 20          // in a row, killed from outside before they were ready
	provenAfter       = time.Second // a ready zygote that lived this long, or forked, did not fail to start
	firstPause        = 10 * time.Millisecond
	longestPause      = time.Second
)

// keepZygote has a zygote running until the pool closes.
//
// Zygotes that cannot start, several in a row, fail the births that wait; the next birth that is wished for is worth one
// more try, for what was wrong (no memory, no processes left, a package half installed) may be over by then. One that is
// killed from outside is no such failure, however young it dies, except where many in a row are killed before they are
// ready: then the machine has no memory for one, and who waits has to hear of it. Those that come after one that was killed
// are started ever slower, lest a machine without memory has its last processor taken too.
func (p *Pool) keepZygote() {
	defer p.settle()
	for failures, slain, pause := 0, 0, firstPause; ; {
		z, err := p.startZygote()
		if err == nil {
			err = p.serve(z)
		}
		switch {
		case z != nil && z.proven():
			failures, slain, pause = 0, 0, firstPause
		case z != nil && z.slain:
			if z.ready.IsZero() {
				slain++
			}
			if !p.sleep(pause) {
				return
			}
			pause = min(2*pause, longestPause)
		default:
			failures++
		}
		if failures >= maxZygoteFailures || slain >= maxSlainYoung {
			p.failWaiting(err)
			if !p.wished() {
				return
			}
			failures, slain = min(failures, maxZygoteFailures-1), min(slain, maxSlainYoung-1)
		}
		if p.isClosed() {
			return
		}
		p.cfg.Logf("workers: a new zygote is started: %v", err)
	}
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
