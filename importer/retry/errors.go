package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// EventKind is what an [Event] tells.
type EventKind int

// The events of a client.
const (
	// FirstFailure: a request failed in a passing way and is sent again. It is
	// told once for each status, 0 being no answer, so that a limping server
	// does not fill the log.
	FirstFailure EventKind = iota
	// OutageBegan: nothing is sent but one request at a time, to see whether
	// the server is back.
	OutageBegan
	// OutageEnded: the server answers again and all requests go on.
	OutageEnded
)

// Event is something that happened to a client, not to a single call.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Since time.Time // of an outage: when its first request failed
	Err   error     // what was answered; nil for OutageEnded
}

func (c *Client) tell(events ...Event) {
	if c.OnEvent == nil {
		return
	}
	for _, e := range events {
		e.Time = time.Now()
		c.OnEvent(e)
	}
}

// GaveUpError says that something passing has not passed in the time, or in the
// attempts, that the client was given. Trying again later may help.
//
// It does not unwrap: what the last failure says of one request is not true of
// the end of all.
type GaveUpError struct {
	What  string    // such as "no answer in 5m0s"
	Since time.Time // when it began
	Err   error     // the last failure
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("gave up: %s (since %s): %v", e.What, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Permanent reports that no call succeeds any more.
func (e *GaveUpError) Permanent() bool { return true }

// Stopped returns the error of a call whose context is done: errors.Is finds
// both ctx.Err and the cause in it.
func Stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("stopped: %w", cause)
	}
	return fmt.Errorf("stopped: %w: %w", err, cause)
}
