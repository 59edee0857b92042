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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/report"
)

// publication is a file that tells other programs how a run went.
type publication struct {
	files.File
	what  string
	mode  fs.FileMode
	write func(w io.Writer, s *report.Summary, path string) error
}

// publish writes the publications about a run that ended because of why. A failure is
// only a warning, and none at all if it is why.
func (o outputs) publish(s *report.Summary, why error, log *slog.Logger) {
	known, _ := errors.AsType[*files.Error](why)
	for _, p := range o.publications {
		if p.Path == "" || known != nil && known.File == p.File {
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
		{"orgimport_waited_seconds", "How long the last run waited for the tenant's limit.", s.Waited},
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
// healthchecks.io, until ctx ends. A failure is only a warning.
func (p *publishFlags) ping(ctx context.Context, rt http.RoundTripper, state string, log *slog.Logger) {
	if p.Ping == "" {
		return
	}
	limited, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := get(limited, rt, p.Ping, state); err != nil && ctx.Err() == nil {
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

// outputs are the files that a run writes beside its results, each with what makes
// it. An entry that lacks something does not compile.
type outputs struct {
	extracts     []*job.Extract // made from the results
	publications []publication  // made from the summary
}

func (f *jobFlags) outputs() outputs {
	return outputs{
		[]*job.Extract{
			job.NewExtract(files.Named("--failures", f.Failures), job.ResultsHead, report.Failures),
		},
		[]publication{
			{files.Named("--summary", f.Summary), "the summary", 0o600, writeSummary},
			{files.Named("--metrics", f.Metrics), "the metrics", 0o644, writeMetrics}, // the node exporter reads it as another user
		},
	}
}

// files lists the outputs.
func (o outputs) files() (all []files.File) {
	for _, x := range o.extracts {
		all = append(all, x.File)
	}
	for _, p := range o.publications {
		all = append(all, p.File)
	}
	return all
}

// check compares all files of a run with each other.
func (o outputs) check(c *console, f *jobFlags, input string) error {
	if files.IsStream(f.Results) {
		return usagef("name a file", "--results %s is not a regular file, so no run could continue from it", f.Results)
	}
	outs := append(o.files(), files.Named("--results", f.Results), files.Named("--lock", f.lockPath()))
	return c.checkFiles(input, &f.sourceFlags, outs...)
}

// checkFiles compares the files that a command reads and those that it writes.
func (c *console) checkFiles(input string, f *sourceFlags, outputs ...files.File) error {
	if input == "-" && slices.Contains([]string{"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}, filepath.Clean(f.Users)) {
		return usagef("name a file", "standard input is both the input and --users")
	}
	return files.Check(c.stdin, append(c.settings(), files.Named("the input", input), files.Named("--users", f.Users)), outputs)
}

// settings lists the files with the values of variables.
func (c *console) settings() []files.File {
	all := slices.Clone(c.env.files)
	for _, name := range secretFiles() {
		all = append(all, files.Named(name, c.getenv(name)))
	}
	return all
}
