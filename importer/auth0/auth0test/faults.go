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
// after the members were added, so that the client cannot know.
type Fault struct {
	// Status is answered instead of what the tenant would say; 0 for none.
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
	// Delay makes the answer, or the end of the connection, come later by this
	// much.
	Delay time.Duration
}

// Cut is a way to end a connection without an answer.
type Cut int

const (
	NoCut  Cut = iota
	Close      // it ends in the middle: io.ErrUnexpectedEOF without a socket, io.EOF over one
	Reset      // the peer resets it
	Refuse     // it never comes about; over a socket, where it is there already, the same as Reset
)

// err is what a transport meets.
func (c Cut) err() error {
	switch c {
	case Refuse:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case Reset:
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return io.ErrUnexpectedEOF
}

// Chance is a fault that happens to a share of the requests.
type Chance struct {
	Probability float64 // between 0 and 1
	Class       Class   // of which requests; empty for all
	Fault       Fault
}

// Outage is a time at which every request fails.
type Outage struct {
	// From and Until are counted from [New].
	From, Until time.Duration
	// Class is of which requests; empty for all.
	Class Class
	// Fault is how they fail. Its zero value is a 503 without a body, before
	// any work.
	Fault Fault
}

// bad says whether anything but a delay is wrong.
func (f Fault) bad() bool { return f.Status != 0 || f.Cut != NoCut || f.Hang }

// reply is what the client meets instead of an answer.
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

// fault says what goes wrong with a call: what the hook says, else what chance
// has for it.
func (t *Tenant) fault(c *call) Fault {
	if t.cfg.Fault != nil {
		if f := t.cfg.Fault(c.readable(), c.n); f != (Fault{}) {
			return f
		}
	}
	for _, chance := range t.cfg.Chances {
		if (chance.Class == "" || chance.Class == c.class) && t.happens(chance.Probability) {
			return chance.Fault
		}
	}
	return Fault{}
}

func (t *Tenant) happens(probability float64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rng.Float64() < probability
}

func (t *Tenant) outage(class Class) (Fault, bool) {
	since := time.Since(t.started)
	for _, o := range t.cfg.Outages {
		if (o.Class == "" || o.Class == class) && o.From <= since && since < o.Until {
			if o.Fault == (Fault{}) {
				return Fault{Status: http.StatusServiceUnavailable, Body: BodyEmpty}, true
			}
			return o.Fault, true
		}
	}
	return Fault{}, false
}
