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

// untilSignal returns a context that the first signal cancels, with the error of
// [stoppedBy] as its cause. A second signal ends the program at once; this loses
// no answer that counts as done, because it is in the results already. If the run
// is stopping by itself, the first signal still lets it finish what is on the
// wire.
//
// The functions first and second, unless nil, are called before that.
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
			return // the command has ended
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

// withMaxDuration returns a copy of ctx that is cancelled with [errMaxDuration]
// after d, or never if d is 0.
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
