package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"orgimport/importer/retry"
)

// A server is down at first. The request is sent again until it gets an answer,
// good or bad.
func ExampleClient_Do() {
	down := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down {
			down = false
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	rt := retry.NewTransport(1)
	defer rt.CloseIdleConnections()
	web := retry.NewHTTPClient(rt)

	call := &retry.Call{Try: func(ctx context.Context) retry.Result {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			return retry.Result{Err: err}
		}
		answer, err := retry.Send(web, req)
		switch {
		case err != nil:
			return retry.Result{Meaning: retry.Lost, Err: err}
		case answer.Status >= 500:
			return retry.Result{Meaning: retry.Transient, Status: answer.Status, Err: fmt.Errorf("answered %d", answer.Status)}
		}
		return retry.Result{Status: answer.Status}
	}}
	client := &retry.Client{MaxAttempts: 3, OnEvent: func(e retry.Event) { fmt.Println("sent again:", e.Err) }}
	err := client.Do(context.Background(), call)
	fmt.Println(call.Status, call.Sent, err)
	// Output:
	// sent again: answered 503
	// 200 2 <nil>
}
