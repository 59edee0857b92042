package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Attempt is the innermost of the transports: it bounds one attempt, from the
// dial to the end of the body, and lets it finish when the run is stopped. The
// answer to what is on the wire is worth having, for it says what became of rows.
//
// A request whose context is cancelled already is not sent.
type Attempt struct {
	Base    http.RoundTripper // nil means http.DefaultTransport
	Timeout time.Duration     // of the whole attempt; 0 means none
	Grace   time.Duration     // how long it may last once its context is cancelled; 0 cuts it at once
}

// RoundTrip sends req with a context of its own.
func (a *Attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	caller := req.Context()
	if caller.Err() != nil {
		CloseBody(req)
		return nil, context.Cause(caller)
	}
	ctx, cut := context.WithCancelCause(context.WithoutCancel(caller))
	end := func() { cut(nil) }
	if a.Timeout > 0 {
		limit := time.AfterFunc(a.Timeout, func() { cut(&TimeoutError{a.Timeout}) })
		end = func() { limit.Stop(); cut(nil) }
	}
	forget := context.AfterFunc(caller, func() {
		stopped := fmt.Errorf("cut off %s after the stop: %w", a.Grace, context.Cause(caller))
		if a.Grace <= 0 {
			cut(stopped)
			return
		}
		// Left to run out: cutting what has ended does nothing.
		time.AfterFunc(a.Grace, func() { cut(stopped) })
	})
	body := &attemptBody{ctx: ctx, end: func() { forget(); end() }}

	base := a.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = body.why(err)
		body.end()
		return nil, err
	}
	body.ReadCloser = resp.Body
	resp.Body = body
	return resp, nil
}

// attemptBody ends the attempt when it is closed.
type attemptBody struct {
	io.ReadCloser
	ctx context.Context
	end func()
}

func (b *attemptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.why(err)
	}
	return n, err
}

func (b *attemptBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// why returns what cut the attempt, or err if nothing did.
func (b *attemptBody) why(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}

// TimeoutError is an attempt that took too long. It is a net.Error.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string   { return fmt.Sprintf("it took longer than %s", e.Limit) }
func (e *TimeoutError) Timeout() bool   { return true }
func (e *TimeoutError) Temporary() bool { return true }

// CloseBody closes the body of a request that a transport does not send.
func CloseBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was sent, so nothing is lost
	}
}

// Stall is a transport that gives up when nothing has come for a time, however
// long the whole takes.
type Stall struct {
	Base    http.RoundTripper // nil means http.DefaultTransport
	Timeout time.Duration     // 0 means none
}

// RoundTrip sends req with a context of its own.
func (s *Stall) RoundTrip(req *http.Request) (*http.Response, error) {
	base := s.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if s.Timeout <= 0 {
		return base.RoundTrip(req)
	}
	ctx, cut := context.WithCancelCause(req.Context())
	limit := time.AfterFunc(s.Timeout, func() { cut(&TimeoutError{s.Timeout}) })
	body := &stallBody{limit: limit, timeout: s.Timeout, ended: attemptBody{ctx: ctx, end: func() { limit.Stop(); cut(nil) }}}
	resp, err := base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = body.ended.why(err)
		body.ended.end()
		return nil, err
	}
	body.ended.ReadCloser = resp.Body
	resp.Body = body
	return resp, nil
}

// stallBody puts the end of the time off whenever something comes.
type stallBody struct {
	ended   attemptBody
	limit   *time.Timer
	timeout time.Duration
}

func (b *stallBody) Read(p []byte) (int, error) {
	n, err := b.ended.Read(p)
	if n > 0 {
		b.limit.Reset(b.timeout)
	}
	return n, err
}

func (b *stallBody) Close() error { return b.ended.Close() }
