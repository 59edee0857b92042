package auth0

import (
	"fmt"
	"net/http"
)

// Bearer is a transport that adds the token of a source to each request.
type Bearer struct {
	Source *TokenSource
	Base   http.RoundTripper // nil means http.DefaultTransport
}

// RoundTrip takes a token and sends a clone of req with it. The token goes to the
// tenant it is for and nowhere else.
func (b *Bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.Source.base.Host || req.URL.Scheme != b.Source.base.Scheme {
		closeBody(req)
		return nil, fmt.Errorf("the token is for %s and is not sent to %s://%s", b.Source.base, req.URL.Scheme, req.URL.Host)
	}
	token, err := b.Source.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if used, ok := req.Context().Value(usageKey{}).(*usage); ok {
		*used = usage{source: b.Source, token: token}
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	if b.Base == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	return b.Base.RoundTrip(req)
}
