package auth0

import "time"

// EventKind is what an Event tells.
type EventKind int

// The events of a client.
const (
	// FirstFailure: a request failed in a passing way and is sent again. It is
	// told once for each status, 0 being no answer, so that a limping tenant
	// does not fill the log.
	FirstFailure EventKind = iota
	// OutageBegan: nothing is sent but one request at a time, to see whether
	// the tenant is back.
	OutageBegan
	// OutageEnded: the tenant answers again and all requests go on.
	OutageEnded
	// TokenRefused: a token was refused before its end and a fresh one is
	// fetched.
	TokenRefused
)

// Event is something that happened to the client, not to a single row.
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
