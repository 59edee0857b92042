package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"orgimport/ratelimit"
)

// class is a group of endpoints that have a limit of their own, or may have.
type class int

const (
	writes class = iota // of members
	reads               // of members
	roles
	organizations
	classes
)

// request is a request to the Management API.
type request struct {
	class        class
	method, path string
	query        url.Values
	body         any // nil: none
}

// exchange is a request and what came of it.
type exchange struct {
	reading
	status  int // 0 if no answer came
	shows   bool
	message string
	body    []byte
	tries   int
	lost    bool // an earlier try may have done the work

	unseen time.Time // when the last refusal came that may have taken a permission since
}

func (x *exchange) ok() bool { return x.status/100 == 2 }

// Why a request is not sent, or a question not answered.
var (
	errSpent   = GaveUpError(fmt.Sprintf("the %d requests, or the %s, were spent on other questions", MaxRequests, MaxTime))
	errLimit   = GaveUpError("the tenant refused requests for a limit that its headers do not show")
	errNoReply = GaveUpError("the tenant did not answer")
)

// GaveUpError says why no answer was had that may be had another time.
type GaveUpError string

func (e GaveUpError) Error() string { return string(e) }

// LacksScopeError says that the token does not permit a request: a 401 or a 403.
type LacksScopeError struct{ Scope string }

func (e *LacksScopeError) Error() string { return "the token lacks the scope " + e.Scope }

// scope returns the scope that a request needs.
func (r *request) scope() string {
	verb := map[string]string{http.MethodGet: "read:", http.MethodPost: "create:", http.MethodDelete: "delete:"}[r.method]
	return verb + map[class]string{writes: "organization_members", reads: "organization_members", roles: "roles", organizations: "organizations"}[r.class]
}

// stopwatch notes when a request leaves for the tenant and when its answer comes,
// apart from the wait for its turn.
type stopwatch struct{ base http.RoundTripper }

type stopwatchKey struct{}

// RoundTrip sends the request. Once it is on its way, its answer is waited for even
// if ctx ends: it says what became of the organization, or of the limit.
func (s *stopwatch) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r, _ := ctx.Value(stopwatchKey{}).(*reading)
	r.sent = time.Now()
	resp, err := s.base.RoundTrip(req.WithContext(context.WithoutCancel(ctx)))
	r.received = time.Now()
	return resp, err
}

// newClients returns a client for each class, which waits for its turn.
func newClients(base http.RoundTripper) (clients [classes]*http.Client) {
	var reserve ratelimit.Reserve
	_ = reserve.UnmarshalText([]byte("10%")) // 1/tenth
	for c := range clients {
		clients[c] = &http.Client{
			Transport:     &ratelimit.Transport{Base: &stopwatch{base}, Reserve: reserve},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return clients
}

// tenth of a limit is left to everyone else, as by the other commands unless
// --reserve says otherwise.
const tenth = 10

// maxTries is how often a request is sent that gets no answer, or a 5xx.
const maxTries = 3

// ask sends a request within the time and the number of requests that are left,
// until it is answered by something other than a 429 or a 5xx. Its error says why
// there is no such answer; it is not about what the answer says, except for a 401
// or 403.
func (d *Doctor) ask(ctx context.Context, r request) (x exchange, err error) {
	if !d.ending {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, d.started.Add(d.timeToAsk), errSpent)
		defer cancel()
	}
	lost := false
	for tries := 1; tries <= maxTries; tries++ {
		if !d.ending && d.requests >= MaxRequests-requestsToEnd {
			return x, errSpent
		}
		if !d.ending && d.refusals >= maxRefusals {
			return x, errLimit
		}
		x, err = d.send(ctx, r)
		x.tries, x.lost = tries, lost
		switch {
		case ctx.Err() != nil && x.status == 0:
			return x, context.Cause(ctx)
		case err != nil && permanent(err):
			return x, err
		case x.status == http.StatusTooManyRequests:
			tries-- // it was not looked at
			if d.ending {
				// What is left to send is one request, for which the pace that follows
				// from the refusal would be far too slow.
				d.clients = newClients(d.Base)
				if err := d.outwait(ctx); err != nil {
					return x, err
				}
			}
			continue
		case x.status == 0 || x.status >= 500:
			lost = true
			if err := sleep(ctx, pause<<tries); err != nil {
				return x, err
			}
			continue
		case x.status == http.StatusUnauthorized && tries < maxTries:
			continue // with another token
		case x.status == http.StatusUnauthorized, x.status == http.StatusForbidden:
			return x, &LacksScopeError{r.scope()}
		}
		return x, nil
	}
	return x, errNoReply
}

const pause = 125 * time.Millisecond

// permanent reports whether an error of the transport would come again, such as
// one about the credentials.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// send sends a request once. Its error is that of the transport.
func (d *Doctor) send(ctx context.Context, r request) (x exchange, err error) {
	if err := d.room(ctx, r.class); err != nil {
		return x, err
	}
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return x, err
		}
	}
	target := d.Tenant.JoinPath("api/v2").String() + r.path
	if r.query != nil {
		target += "?" + r.query.Encode()
	}
	ctx = context.WithValue(ctx, stopwatchKey{}, &x.reading)
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return x, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.clients[r.class].Do(req)
	if !x.sent.IsZero() {
		d.requests++
	}
	if err != nil {
		return x, err
	}
	defer resp.Body.Close()
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return x, err
	}
	x.read(resp)
	d.note(r.class, &x)
	return x, nil
}

// read reads what an answer says.
func (x *exchange) read(resp *http.Response) {
	x.status = resp.StatusCode
	var refusal struct{ Message string }
	if x.status >= 400 && json.Unmarshal(x.body, &refusal) == nil {
		x.message = refusal.Message
	}
	h := resp.Header
	var err1, err2 error
	x.limit, err1 = strconv.Atoi(h.Get("X-RateLimit-Limit"))
	x.remaining, err2 = strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	x.shows = cmp.Or(err1, err2) == nil && x.limit > 0
	x.reset, _ = strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		x.date = date.Unix()
	}
}

// note keeps what the answer says about the class's limit.
func (d *Doctor) note(c class, x *exchange) {
	if x.status == http.StatusTooManyRequests {
		d.refusals++
		d.refusedAt = x.received
	}
	for i := range d.last { // whatever has shown a limit of this size may draw on the same
		switch last := &d.last[i]; {
		case !x.shows && (i == int(c) || last.limit == d.last[c].limit):
			last.remaining-- // a refusal may take a permission, and not show it
			last.unseen = x.received
		case x.shows && last.shows && last.limit == x.limit && (x.remaining < last.remaining || x.reset > last.reset):
			last.reading = x.reading
		}
	}
	if x.ok() {
		d.taken[c]++
	}
	x.writes, x.others = d.taken[writes], d.taken[roles]
	if x.shows {
		d.last[c] = *x
	}
}

// room waits while the limit that a class may draw on has nothing left: the class's
// Transport knows only what its own requests have seen of it.
func (d *Doctor) room(ctx context.Context, c class) error {
	if d.ending {
		return nil
	}
	last := d.last[c]
	if !last.shows { // of all that may be the class's, the one with the least left
		for _, x := range d.last {
			if x.shows && (!last.shows || x.remaining < last.remaining) {
				last = x
			}
		}
	}
	keep := min(max(1, last.limit/tenth), last.limit-1) // which is enough for the deletion
	if !last.shows || last.remaining > keep || last.reset == 0 {
		return nil
	}
	wait := time.Second
	if last.date != 0 {
		wait = time.Duration(last.reset-last.date) * time.Second
	}
	until := last.received.Add(min(max(wait, time.Second), time.Minute))
	if since := last.unseen.Add(time.Second); since.After(until) {
		until = since
	}
	return sleep(ctx, time.Until(until))
}

// outwait waits after a refusal until a window has passed, as far as there is time:
// others are refused, too, while a limit is used up.
func (d *Doctor) outwait(ctx context.Context) error {
	until := d.refusedAt.Add(longestWindow)
	deadline, _ := ctx.Deadline()
	for _, end := range []time.Time{d.started.Add(MaxTime), deadline} {
		if latest := end.Add(-timeToEnd); until.After(latest) {
			until = latest
		}
	}
	return sleep(ctx, max(time.Until(until), timeToEnd/2))
}

// sleep waits for a time, or until ctx is done.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
