package auth0test

import (
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Fault is what goes wrong with one request. Its zero value is nothing. The
// fields combine: {Cut: Reset, Applied: true} is a connection that breaks
// after the members were added, which the client cannot know.
type Fault struct {
	// Status is answered instead of the tenant's answer, unless it is 0.
	Status int
	// Body is the kind of body that goes with Status.
	Body Body
	// RetryAfter is sent with Status if it is not 0, in seconds, rounded up.
	RetryAfter time.Duration
	// Cut ends the connection without an answer.
	Cut Cut
	// Hang gives no answer until the client gives up.
	Hang bool
	// Applied does the request's work first. Otherwise Status, Cut and Hang
	// come before it.
	Applied bool
	// Delay is how much later the answer comes, or the end of the connection.
	Delay time.Duration
}

// Cut is a way to end a connection without an answer.
type Cut int

const (
	NoCut  Cut = iota
	Close      // it ends in the middle: io.ErrUnexpectedEOF without a socket, io.EOF over one
	Reset      // the peer resets it
	Refuse     // it is refused; over a socket, where it exists already, the same as Reset
)

// err returns the error that a transport meets.
func (c Cut) err() error {
	switch c {
	case Refuse:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case Reset:
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return io.ErrUnexpectedEOF
}

// Incident is a fault that befalls some requests.
type Incident struct {
	Class       Class         // of the requests; empty: any
	From, Until time.Duration // since [New]; an Until of 0: to the end
	Share       float64       // of these requests, at random; 0: all
	Fault       Fault
}

// Outage is a time in which every request gets a 503 without a body, before any
// work is done.
func Outage(from, until time.Duration) Incident {
	return Incident{From: from, Until: until, Fault: Fault{Status: http.StatusServiceUnavailable, Body: BodyEmpty}}
}

// bad reports whether anything but a delay is wrong.
func (f Fault) bad() bool { return f.Status != 0 || f.Cut != NoCut || f.Hang }

// reply returns what the client gets instead of the tenant's answer.
func (f Fault) reply(c *call) (*reply, error) {
	switch {
	case f.Hang:
		<-c.Context().Done()
		return nil, c.Context().Err()
	case f.Cut != NoCut:
		if err := sleep(c.Context(), f.Delay); err != nil {
			return nil, err
		}
		return nil, f.Cut.err()
	}
	rep := bare(f.Status, f.Body, "An internal server error occurred")
	if f.Body == BodyJSON && f.Status == http.StatusTooManyRequests {
		rep = limitReached(c.class, "Global")
	}
	if f.RetryAfter > 0 {
		rep.header.Set("Retry-After", seconds(f.RetryAfter))
	}
	return rep, nil
}

// fault returns what goes wrong with a call that has reached the tenant.
func (t *Tenant) fault(c *call) Fault {
	for _, incident := range t.cfg.Incidents {
		if t.befalls(incident, c.class) {
			return incident.Fault
		}
	}
	if t.cfg.Fault == nil {
		return Fault{}
	}
	return t.cfg.Fault(c.readable(), c.n)
}

func (t *Tenant) befalls(i Incident, class Class) bool {
	since := time.Since(t.started)
	if i.Class != "" && i.Class != class || since < i.From || i.Until > 0 && since >= i.Until {
		return false
	}
	if i.Share == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rng.Float64() < i.Share
}
