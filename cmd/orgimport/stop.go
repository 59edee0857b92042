package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var errMaxDuration = errors.New("--max-duration is reached")

// untilSignal returns a context that the first SIGINT or SIGTERM cancels, with
// a [signalError] as its cause. A second signal ends the program at once: each
// answer is in the results already when it counts as done. Has the run stopped
// by itself, the first signal leaves it the time to finish what is on the wire.
func untilSignal() (ctx context.Context, stop context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		cancel(signalError{(<-signals).(syscall.Signal)})
		os.Exit(exitSignal + int((<-signals).(syscall.Signal)))
	}()
	return ctx, cancel
}

// withMaxDuration cancels ctx with [errMaxDuration] when d has passed; never
// if d is 0.
func withMaxDuration(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, errMaxDuration)
}
