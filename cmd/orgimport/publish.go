package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/report"
)

// publication is a file that tells other programs how a run went.
type publication struct {
	files.File
	what  string
	mode  fs.FileMode
	write func(w io.Writer, s *report.Summary, path string) error
}

// publish writes the publications. A failure is only a warning.
func (o outputs) publish(s *report.Summary, log *slog.Logger) {
	for _, p := range o.publications {
		if p.Path == "" || p.Path == *o.unwritable {
			continue
		}
		if err := files.Replace(p.Path, p.mode, func(w io.Writer) error { return p.write(w, s, p.Path) }); err != nil {
			log.Warn(fmt.Sprintf("can't write %s: %v", p.what, err))
		}
	}
}

func writeSummary(w io.Writer, s *report.Summary, _ string) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// writeMetrics writes a file for the textfile collector of Prometheus' node
// exporter, in its text format. The time of the last success is carried over from
// the file that was at path before, unless this run is one.
func writeMetrics(w io.Writer, s *report.Summary, path string) error {
	// Two jobs on one machine write two files, and their series must differ.
	labels := "results=" + quoteLabel(s.Results) + ",tenant=" + quoteLabel(s.Tenant) + "}"
	var text strings.Builder
	describe := func(name, help string) { fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name) }
	value := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, gauge := range []struct {
		name, help string
		value      float64
	}{
		{"orgimport_exit_code", "Exit code of the last run.", float64(s.ExitCode)},
		{"orgimport_last_run_timestamp_seconds", "When the last run ended.", float64(s.Finished.Unix())},
		{"orgimport_duration_seconds", "How long the last run took.", s.Finished.Sub(s.Started).Seconds()},
		{"orgimport_requests", "Requests of the last run.", float64(s.Requests)},
		{"orgimport_requests_refused", "Requests of the last run that were answered with 429.", float64(s.Refused)},
		{"orgimport_waited_seconds", "How long the last run waited for the tenant's limit.", s.Waited.Seconds()},
	} {
		describe(gauge.name, gauge.help)
		fmt.Fprintf(&text, "%s{%s %s\n", gauge.name, labels, value(gauge.value))
	}
	describe("orgimport_rows", "Rows of the input by status.")
	rows := s.Rows()
	for _, status := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&text, "orgimport_rows{status=%s,%s %d\n", quoteLabel(status), labels, rows[status])
	}
	series := "orgimport_last_success_timestamp_seconds{" + labels + " "
	success, known := value(float64(s.Finished.Unix())), true
	if s.ExitCode != exitDone {
		success, known = lineAfter(path, series)
	}
	if known {
		describe("orgimport_last_success_timestamp_seconds", "When a run last ended with exit code 0.")
		text.WriteString(series + success + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// quoteLabel returns the value of a label as the text format has it.
func quoteLabel(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}

// lineAfter returns the rest of the line of a file that begins with prefix.
func lineAfter(path, prefix string) (rest string, found bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(content)) {
		if rest, found := strings.CutPrefix(line, prefix); found {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// pingTimeout bounds how long a run waits for the answer to a ping.
const pingTimeout = 10 * time.Second

// ping reports the state of the run, "start" or an exit code, to a service such as
// healthchecks.io. A failure is only a warning.
func (p *publishFlags) ping(rt http.RoundTripper, state string, log *slog.Logger) {
	if p.Ping == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	if err := get(ctx, rt, p.Ping, state); err != nil {
		log.Warn(fmt.Sprintf("can't ping URL/%s: %v", state, err))
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
