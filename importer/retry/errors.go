package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GaveUpError says that a passing failure has not passed within the client's time
// or attempts. Trying again later may help.
//
// It does not unwrap: the last failure is about one request, the error about all.
type GaveUpError struct {
	What  string    // for example, "no answer in 5m0s"
	Since time.Time // when it began
	Err   error     // the last failure
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("gave up: %s (since %s): %v", e.What, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Permanent reports that no later call succeeds.
func (e *GaveUpError) Permanent() bool { return true }

// Stopped returns the error of a call whose context is done. It wraps both ctx.Err
// and the cause.
func Stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("stopped: %w", cause)
	}
	return fmt.Errorf("stopped: %w: %w", err, cause)
}
