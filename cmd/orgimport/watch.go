package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/report"
)

// watchFlags say where to publish how a run went, for other programs. A failure to
// publish is only a warning.
type watchFlags struct {
	Summary string `help:"File for the summary, as JSON." placeholder:"FILE" group:"watch"`
	Metrics string `help:"File for metrics, for the textfile collector of Prometheus's node exporter." placeholder:"FILE" group:"watch"`
	Ping    string `help:"URL to ping: URL/start at the start, and URL/EXITCODE at the end." placeholder:"URL" group:"watch"`

	unwritable string // a file that was already reported as not writable
}

// Validate is called by kong when all flags are read.
func (w *watchFlags) Validate() error {
	if w.Ping == "" {
		return nil
	}
	// The error does not show the address: for many services it is a secret.
	if u, err := url.Parse(w.Ping); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("--ping must be an http:// or https:// URL")
	}
	return nil
}

// publish writes the summary and the metrics, and pings the exit code.
func (w *watchFlags) publish(s *report.Summary, tenant, results string, rt http.RoundTripper, warn func(string)) {
	if w.Summary != "" && w.Summary != w.unwritable {
		err := files.Replace(w.Summary, 0o600, func(out io.Writer) error {
			e := json.NewEncoder(out)
			e.SetIndent("", "  ")
			return e.Encode(s)
		})
		if err != nil {
			warn(fmt.Sprintf("can't write the summary: %v", err))
		}
	}
	if w.Metrics != "" && w.Metrics != w.unwritable {
		if err := writeMetrics(w.Metrics, s, tenant, results); err != nil {
			warn(fmt.Sprintf("can't write the metrics: %v", err))
		}
	}
	w.ping(rt, fmt.Sprint(s.ExitCode), warn)
}

// pingTimeout bounds how long a run waits for the answer to a ping.
const pingTimeout = 10 * time.Second

// ping reports the state of the run, "start" or an exit code, to a service such as
// healthchecks.io.
func (w *watchFlags) ping(rt http.RoundTripper, state string, warn func(string)) {
	if w.Ping == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	if err := get(ctx, rt, w.Ping, state); err != nil {
		warn(fmt.Sprintf("can't ping URL/%s: %v", state, err))
	}
}

// get requests a path below address. Its errors do not show the address.
func get(ctx context.Context, rt http.RoundTripper, address, path string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
	if err != nil {
		return errors.New("not a URL")
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		var inside *url.Error
		if errors.As(err, &inside) {
			err = inside.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return errors.New(resp.Status)
	}
	return nil
}
