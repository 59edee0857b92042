package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestPingThatHangsIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var warned string
		start := time.Now()
		(&watchFlags{Ping: "https://ping.test/t0ken"}).ping(silent{}, "0", func(text string) { warned = text })
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %s, want 10s", took)
		}
		if !strings.Contains(warned, "the ping of 0 failed") || strings.Contains(warned, "t0ken") {
			t.Errorf("it warns of %q", warned)
		}
	})
}
