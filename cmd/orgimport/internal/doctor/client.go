package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"orgimport/ratelimit"
)

// What an examination may take. Of the requests, some are kept for the end: one
// that deletes the organization, and what that takes if it is refused at first.
const (
	MaxRequests   = 80
	MaxTime       = 100 * time.Second
	longestWindow = 61 * time.Second // limits come back within a minute
	requestsToEnd = 4
	timeToEnd     = 7 * time.Second
	timeUnlimited = MaxTime - timeToEnd - longestWindow // to ask if no limit is shown: a refusal takes a window to pass
	maxRefusals   = 1                                   // of questions, for a limit that headers do not show; the deletion may get another
	maxTries      = 3                                   // of a request that gets no answer, or a 5xx
	pause         = 125 * time.Millisecond              // before the first of them is repeated, and twice as long each time

	// How long deleting the organization is tried, at the end and when stopped.
	timeToDelete = longestWindow + 9*time.Second
	timeToStop   = 25 * time.Second

	// tenth of a limit is left to everyone else, as by the other commands unless
	// --reserve says otherwise.
	tenth = 10
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
	method, path string // the path with its query
	body         any    // nil: none
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

// refusal returns err, or an error if what was asked for was refused.
func (x *exchange) refusal(err error, what string) error {
	if err == nil && !x.ok() {
		err = &RefusedError{what, x.status, x.message}
	}
	return err
}

// Why a request is not sent, or a question not answered.
var (
	errSpent   = GaveUpError(fmt.Sprintf("the %d requests, or the %s, were spent on other questions", MaxRequests, MaxTime))
	errLimit   = GaveUpError("the tenant refused requests for a limit that its headers do not show")
	errNoReply = GaveUpError("the tenant did not answer")
)

// GaveUpError says why there is no answer. Another time there may be one.
type GaveUpError string

func (e GaveUpError) Error() string { return string(e) }

// LacksScopeError says that the token does not permit a request: a 401 or a 403.
type LacksScopeError struct{ Scope string }

func (e *LacksScopeError) Error() string { return "the token lacks the scope " + e.Scope }

// RefusedError says that the tenant refused what an examination can't do without.
type RefusedError struct {
	What    string
	Status  int
	Message string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the tenant refused %s: %d %s", e.What, e.Status, e.Message)
}

// scope returns the scope that a request needs.
func (r *request) scope() string {
	verb := map[string]string{http.MethodGet: "read:", http.MethodPost: "create:", http.MethodDelete: "delete:"}[r.method]
	return verb + map[class]string{writes: "organization_members", reads: "organization_members", roles: "roles", organizations: "organizations"}[r.class]
}

// stopwatch notes when a request leaves for the tenant and when its answer comes,
// apart from the wait for its turn.
type stopwatch struct {
	base           http.RoundTripper
	sent, received time.Time // of the last request
}

// RoundTrip sends the request. Once it is on its way, its answer is waited for even
// if ctx ends: it says what became of the organization, or of the limit.
func (s *stopwatch) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.sent = time.Now()
	resp, err := s.base.RoundTrip(req.WithContext(context.WithoutCancel(ctx)))
	s.received = time.Now()
	return resp, err
}

// client sends requests, one at a time, within what an examination may take.
type client struct {
	tenant  *url.URL
	watch   stopwatch
	paced   [classes]*ratelimit.Transport
	started time.Time

	requests  int
	taken     [classes]int      // successes, each of which took a permission
	refusals  int               // with a 429
	refusedAt time.Time         // the last time
	last      [classes]exchange // the last answers that showed a limit

	timeToAsk time.Duration // since the start
	ending    bool          // the organization is being deleted, whatever that takes
}

func newClient(tenant *url.URL, base http.RoundTripper) *client {
	c := &client{tenant: tenant, watch: stopwatch{base: base}, started: time.Now(), timeToAsk: MaxTime - timeToEnd}
	c.forgetPace()
	return c
}

// forgetPace drops what was learnt about the pace of each class.
func (c *client) forgetPace() {
	var reserve ratelimit.Reserve
	_ = reserve.UnmarshalText([]byte("10%")) // 1/tenth
	for i := range c.paced {
		c.paced[i] = &ratelimit.Transport{Base: &c.watch, Reserve: reserve}
	}
}

func membersOf(organization string) string {
	return "/organizations/" + url.PathEscape(organization) + "/members"
}

// write adds users to an organization, or removes them.
func (c *client) write(ctx context.Context, method, organization string, users ...string) (exchange, error) {
	return c.ask(ctx, request{class: writes, method: method, path: membersOf(organization), body: map[string][]string{"members": users}})
}

// ask sends a request within the time and the number of requests that are left,
// until it is answered by something other than a 429 or a 5xx. Its error says why
// there is no such answer; it is not about what the answer says, except for a 401
// or 403.
func (c *client) ask(ctx context.Context, r request) (x exchange, err error) {
	if !c.ending {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, c.started.Add(c.timeToAsk), errSpent)
		defer cancel()
	}
	lost := false
	for tries := 1; tries <= maxTries; tries++ {
		if !c.ending && c.requests >= MaxRequests-requestsToEnd {
			return x, errSpent
		}
		if !c.ending && c.refusals >= maxRefusals {
			return x, errLimit
		}
		x, err = c.send(ctx, r)
		x.tries, x.lost = tries, lost
		switch {
		case ctx.Err() != nil && x.status == 0:
			return x, context.Cause(ctx)
		case err != nil && permanent(err):
			return x, err
		case x.status == http.StatusTooManyRequests:
			tries-- // it was not looked at
			if c.ending {
				// What is left to send is one request, for which the pace that follows
				// from the refusal would be far too slow.
				c.forgetPace()
				if err := c.waitForWindow(ctx); err != nil {
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

// permanent reports whether an error of the transport would come again, such as
// one about the credentials.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// send sends a request once. Its error is that of the transport.
func (c *client) send(ctx context.Context, r request) (x exchange, err error) {
	if err := c.room(ctx, r.class); err != nil {
		return x, err
	}
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return x, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.tenant.JoinPath("api/v2").String()+r.path, bytes.NewReader(body))
	if err != nil {
		return x, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.watch.sent = time.Time{}
	resp, err := c.paced[r.class].RoundTrip(req)
	x.sent, x.received = c.watch.sent, c.watch.received
	if !x.sent.IsZero() {
		c.requests++
	}
	if err != nil {
		return x, err
	}
	defer resp.Body.Close()
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return x, err
	}
	x.read(resp)
	c.note(r.class, &x)
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

// note keeps what the answer says about the limit of its class.
func (c *client) note(of class, x *exchange) {
	if x.status == http.StatusTooManyRequests {
		c.refusals++
		c.refusedAt = x.received
	}
	for i := range c.last { // whatever has shown a limit of this size may draw on the same
		switch last := &c.last[i]; {
		case !x.shows && (i == int(of) || last.limit == c.last[of].limit):
			last.remaining-- // a refusal may take a permission, and not show it
			last.unseen = x.received
		case x.shows && last.shows && last.limit == x.limit && (x.remaining < last.remaining || x.reset > last.reset):
			last.reading = x.reading
		}
	}
	if x.ok() {
		c.taken[of]++
	}
	x.writes, x.others = c.taken[writes], c.taken[roles]
	if x.shows {
		c.last[of] = *x
	}
}

// room waits while the limit that a class may draw on has nothing left: the class's
// Transport knows only what its own requests have seen of it.
func (c *client) room(ctx context.Context, of class) error {
	if c.ending {
		return nil
	}
	last := c.last[of]
	if !last.shows { // of all that may be the class's, the one with the least left
		for _, x := range c.last {
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

// waitForWindow waits after a refusal until a window has passed, as far as there is time:
// others are refused, too, while a limit is used up.
func (c *client) waitForWindow(ctx context.Context) error {
	until := c.refusedAt.Add(longestWindow)
	deadline, _ := ctx.Deadline()
	for _, end := range []time.Time{c.started.Add(MaxTime), deadline} {
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

// organization is the one that an examination makes. There are never two: whatever
// happens, only one with the same name is asked for.
type organization struct {
	client   *client
	name     string
	id       string       // empty if it is not known
	mayExist *atomic.Bool // a signal may ask
}

// namePattern is the form of the names of the organizations that a Doctor makes.
var namePattern = regexp.MustCompile(`^orgimport-doctor-[0-9a-f]{8}$`)

// IsName reports whether an organization with this name is one that a Doctor made.
func IsName(name string) bool { return namePattern.MatchString(name) }

// NewName makes up a name for an organization.
func NewName() string { return "orgimport-doctor-" + randomHex(4) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// LeftBehindError says that an organization could not be deleted, and perhaps why
// the examination had ended before.
type LeftBehindError struct {
	Name   string
	Err    error // of the deletion
	Before error // nil if the examination had come to its end
}

func (e *LeftBehindError) Error() string {
	return fmt.Sprintf("left behind: %s: %v", e.Name, e.Err)
}

// errNameTaken ends an examination before it has begun.
var errNameTaken = errors.New("the tenant has an organization with the name that was just made up")

// create makes the organization.
func (o *organization) create(ctx context.Context) error {
	lost := false
	for range maxTries {
		o.mayExist.Store(true)
		x, err := o.client.ask(ctx, request{class: organizations, method: http.MethodPost, path: "/organizations", body: map[string]string{
			"name": o.name, "display_name": "orgimport doctor",
		}})
		lost = lost || x.lost
		var made struct{ ID string }
		switch {
		case x.status == http.StatusCreated && json.Unmarshal(x.body, &made) == nil && made.ID != "":
			o.id = made.ID
			return nil
		case x.status == http.StatusConflict && !lost:
			o.mayExist.Store(false) // this one is somebody else's
			return errNameTaken
		case x.status >= 400 && x.status < 500 && x.status != http.StatusConflict:
			o.mayExist.Store(lost)
			return x.refusal(err, "the organization "+o.name)
		case err != nil && !errors.Is(err, errNoReply):
			return err
		}
		lost = true // or it could not be read; a 409 tells now
		if found, err := o.find(ctx); found || err != nil {
			return err
		}
	}
	return errNoReply
}

// find looks for the organization by its name.
func (o *organization) find(ctx context.Context) (found bool, err error) {
	x, err := o.client.ask(ctx, request{class: organizations, method: http.MethodGet, path: "/organizations/name/" + url.PathEscape(o.name)})
	if err != nil {
		return false, err
	}
	var there struct{ ID, Name string }
	if x.ok() && json.Unmarshal(x.body, &there) == nil && there.ID != "" && there.Name == o.name {
		o.id = there.ID
		o.mayExist.Store(true)
		return true, nil
	}
	if x.status != http.StatusNotFound {
		return false, &RefusedError{"the search for the organization " + o.name, x.status, x.message}
	}
	return false, nil
}

// delete deletes the organization, and makes sure that it is gone.
func (o *organization) delete(ctx context.Context) error {
	if !o.mayExist.Load() {
		return nil
	}
	o.client.ending = true
	if o.client.refusals > 0 {
		if err := o.client.waitForWindow(ctx); err != nil {
			return err
		}
	}
	var err error = errNoReply
	for try := range 5 {
		if try > 0 && sleep(ctx, pause<<try) != nil {
			return err
		}
		if o.id == "" {
			var found bool
			if found, err = o.find(ctx); err != nil {
				continue
			}
			if !found && try < 2 {
				continue // it may be being made
			}
			if !found {
				o.mayExist.Store(false)
				return nil
			}
		}
		var x exchange
		x, err = o.client.ask(ctx, request{class: organizations, method: http.MethodDelete, path: "/organizations/" + url.PathEscape(o.id)})
		switch {
		case err == nil && x.ok():
			o.mayExist.Store(false)
			return nil
		case err == nil && x.status == http.StatusNotFound:
			o.id = "" // if it is gone, its name is, too
		case err == nil:
			err = &RefusedError{"its deletion", x.status, x.message}
		}
	}
	return err
}
