package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

var errDriverGone = errors.New("the driver is gone")

// watch calls stop at the first of: the driver's death, the lifeline's end, a signal that asks for the end. Its
// goroutines live as long as the process, which ends soon after any of them has spoken.
func watch(cfg Config, stop context.CancelCauseFunc) error {
	if cfg.DriverPID != 0 {
		driver, err := pidfd.OpenParent(cfg.DriverPID)
		switch {
		case errors.Is(err, pidfd.ErrNotParent), errors.Is(err, unix.ESRCH):
			stop(errDriverGone) // it died while the core was starting
		case err != nil:
			return fmt.Errorf("--driver-pid %d: %w", cfg.DriverPID, err)
		default:
			go func() {
				if driver.Wait() == nil {
					stop(errDriverGone)
				}
			}()
		}
	}
	if cfg.LifelineFD >= 0 {
		// A child that the driver forked may hold the other end long after the driver: hence the pidfd above.
		if err := unix.SetNonblock(cfg.LifelineFD, true); err != nil {
			return fmt.Errorf("--lifeline-fd %d: %w", cfg.LifelineFD, err)
		}
		lifeline := os.NewFile(uintptr(cfg.LifelineFD), "lifeline")
		go func() {
			for buf := make([]byte, 64); ; {
				if _, err := lifeline.Read(buf); err != nil {
					stop(errDriverGone)
					return
				}
			}
		}()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	go func() { stop(fmt.Errorf("signal %v", <-signals)) }()
	return nil
}
