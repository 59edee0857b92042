package auth0test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// maxBody is how many bytes the API takes in one request, of any endpoint.
const maxBody = 1 << 20

// call is one request on its way through the tenant.
type call struct {
	*http.Request
	endpoint
	n       int // number within the class, from 1
	entry   *Entry
	body    []byte
	tooLong bool
	granted []string // scopes of the token
	release func()   // lets the next write to the organization start
}

// serve serves a request: it travels, is decided on, and the answer travels
// back, so that answers overtake each other as they do in a network. An error
// means that the caller gets no answer.
func (t *Tenant) serve(r *http.Request) (*reply, error) {
	c, err := t.accept(r)
	if err != nil {
		return nil, err
	}
	rep, err := t.travel(c)
	c.release()
	t.leave(c, rep)
	return rep, err
}

// accept reads the request and counts it. The body is read in full, which also
// lets net/http notice that a client has gone.
func (t *Tenant) accept(r *http.Request) (*call, error) {
	c := &call{Request: r.WithContext(r.Context()), release: func() {}}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return nil, err
		}
		c.body, c.tooLong = body, len(body) > maxBody
	}
	if c.Host == "" {
		c.Host = r.URL.Host
	}
	c.endpoint = t.route(c.Request)
	t.arrive(c)
	return c, nil
}

func (t *Tenant) travel(c *call) (*reply, error) {
	ctx := c.Context()
	there, back := t.trip()
	if err := sleep(ctx, there); err != nil {
		return nil, err
	}
	fault := t.fault(c)
	rep, err := t.decide(c, fault)
	if err != nil {
		return nil, err
	}
	if rep.status == http.StatusTooManyRequests {
		back = min(there, back) // a refusal is sent straight back
	}
	back += fault.Delay
	afterDate := time.Duration(float64(back) * afterDate)
	if err := sleep(ctx, back-afterDate); err != nil {
		return nil, err
	}
	if !t.cfg.NoDate {
		rep.header.Set("Date", t.now().UTC().Format(http.TimeFormat))
	}
	if err := sleep(ctx, afterDate); err != nil {
		return nil, err
	}
	return rep, nil
}

// decide does the work, unless something goes wrong before it, and answers,
// unless something goes wrong after it.
func (t *Tenant) decide(c *call, fault Fault) (*reply, error) {
	if fault.bad() && !fault.Applied {
		return fault.reply(c)
	}
	rep, err := t.answer(c)
	if err != nil || !fault.bad() {
		return rep, err
	}
	return fault.reply(c)
}

// answer returns the answer of a tenant in good health, which checks the token
// and the limits before it does the work.
func (t *Tenant) answer(c *call) (*reply, error) {
	if rep := t.authorize(c); rep != nil {
		return rep, nil
	}
	turn := t.cfg.Limits.take(c.class, t.now())
	if turn.refusal != nil {
		return turn.mark(limitReached(c.class, turn.refusal.Name)), nil
	}
	rep, err := t.work(c)
	if err == nil && t.showsLimits(c.class, rep.status) {
		rep = turn.mark(rep)
	}
	return rep, err
}

func (t *Tenant) work(c *call) (*reply, error) {
	if c.tooLong {
		return refuse(http.StatusRequestEntityTooLarge, "", "Payload content length greater than maximum allowed: 1048576"), nil
	}
	if !c.allowed() {
		return insufficientScope(c.scopes...), nil
	}
	if rep := checkOrgID(c.PathValue("org")); rep != nil {
		return rep, nil
	}
	if c.class == WriteMembers {
		if rep, err := t.claim(c); rep != nil || err != nil {
			return rep, err
		}
	}
	return c.handle(t, c), nil
}

// showsLimits reports whether an answer has the X-RateLimit headers. As
// recorded, the Management API sends them with successes and 429s and with no
// other error, the Authentication API always.
func (t *Tenant) showsLimits(class Class, status int) bool {
	return class == Tokens || status < 300 ||
		status == http.StatusForbidden && t.cfg.Undocumented.HeadersOn403
}

// readable returns the request for a hook to read, body and all.
func (c *call) readable() *http.Request {
	r := c.Clone(c.Context())
	r.Body = io.NopCloser(bytes.NewReader(c.body))
	return r
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
