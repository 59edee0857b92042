package auth0

import (
	"context"
	"io"
	"net/http"
	"time"
)

// mostRedirects are followed of a download.
const mostRedirects = 3

type redirectError string

func (e redirectError) Error() string { return string(e) }

// NewDownload returns a client for [Lookup.Download] that sends through rt. It
// carries no token and no cookies, and tells no host which link led there.
func NewDownload(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: rt,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > mostRedirects:
				return redirectError("the link redirects too often")
			case !safeLink(req.URL) || via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
				return redirectError("the link redirects to what is not https")
			}
			req.Header.Del("Referer")
			return nil
		},
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
	limit := time.AfterFunc(s.Timeout, func() { cut(&timeoutError{s.Timeout}) })
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

var _ io.ReadCloser = (*stallBody)(nil)

func (b *stallBody) Read(p []byte) (int, error) {
	n, err := b.ended.Read(p)
	if n > 0 {
		b.limit.Reset(b.timeout)
	}
	return n, err
}

func (b *stallBody) Close() error { return b.ended.Close() }
