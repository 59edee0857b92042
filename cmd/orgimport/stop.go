package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopSignals delivers the signals that stop a command. A SIGHUP that was
// ignored when the program began, as under nohup, stays ignored.
func stopSignals() <-chan os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, all...)
	return signals
}

// untilSignal returns a context that the first signal cancels, with a
// [stoppedBy] as its cause. A second signal ends the program at once: each
// answer is in the results already when it counts as done. If the run has
// stopped by itself, the first signal leaves it the time to finish what is on
// the wire.
//
// Before they do so, first and second are called, if they are not nil.
func (s *surroundings) untilSignal(first func(syscall.Signal), second func(syscall.Signal)) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, ended := s.signals(), make(chan struct{})
	next := func() (syscall.Signal, bool) {
		select {
		case signal := <-signals:
			return signal.(syscall.Signal), true
		case <-ended:
			return 0, false
		}
	}
	go func() {
		signal, came := next()
		if !came {
			return // a signal that comes now is not the second
		}
		if first != nil {
			first(signal)
		}
		cancel(stoppedBy(signal))
		if signal, came := next(); came {
			if second != nil {
				second(signal)
			}
			s.exit(exitSignal + int(signal))
		}
	}()
	return ctx, func() {
		cancel(nil)
		close(ended)
	}
}

// withMaxDuration cancels ctx with [errMaxDuration] when d has passed; never
// if d is 0.
func withMaxDuration(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, errMaxDuration)
}

// stoppedOr returns why ctx ended, or err if it has not.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
