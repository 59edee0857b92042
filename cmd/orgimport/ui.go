package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/report"
)

// The rules for what people see of a run: none of it goes to stdout; a log line
// never breaks the bar; a pipe or a file gets no bar and no colours; errors are in
// lower case, without a full stop, and a hint says what to type next.

const (
	redrawEvery = 200 * time.Millisecond
	logEvery    = 30 * time.Second
)

// ui is the terminal, or the log, of one run.
type ui struct {
	mu   sync.Mutex
	text io.Writer // for the last text
	out  io.Writer // for the log and the line of progress
	draw bool      // show progress as a line that is redrawn
	logs bool      // show progress as a line of the log every [logEvery]
	log  *slog.Logger
	json bool

	terminal bool

	drawn int  // columns of the line that was drawn; 0: none
	apart bool // the terminal is in the middle of a line of text, where none can be drawn
	turn  int  // index in the spinner

	stop   chan struct{}
	closed sync.Once
	done   sync.WaitGroup
}

// newUI returns a ui. The flags and the terminal decide how it shows progress.
func newUI(out io.Writer, getenv func(string) string, flags uiFlags) *ui {
	out = ttyOf(out)
	u := &ui{text: out, out: out, json: flags.LogFormat == "json", stop: make(chan struct{})}
	if t, ok := out.(*tty); ok {
		u.terminal, u.out = true, t.file
	}
	switch flags.Progress {
	case "bar":
		u.draw = true
	case "log":
		u.logs = true
	case "auto":
		if u.terminal && !u.json && getenv("TERM") != "dumb" && getenv("CI") == "" {
			u.draw = true
		} else {
			u.logs = true
		}
	}
	level := slog.LevelInfo
	if flags.Quiet {
		u.draw, u.logs, level = false, false, slog.LevelWarn
	}
	if u.json {
		log := &slog.HandlerOptions{Level: level}
		if u.terminal {
			log.ReplaceAttr = printableAttr
		}
		u.log = slog.New(slog.NewJSONHandler(lockedWriter{u}, log))
		return u
	}
	u.log = slog.New(tint.NewTextHandler(lockedWriter{u}, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !u.terminal || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb",
		ReplaceAttr: printableAttr,
	}))
	return u
}

// printableAttr shows control characters in a line of the log.
func printableAttr(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(report.Printable(a.Value.String()))
	}
	return a
}

// openUI opens the ui of a command. If its log is JSON, so are the errors.
func (c *console) openUI(flags uiFlags) *ui {
	u := newUI(c.stderr, c.getenv, flags)
	for _, w := range []io.Writer{c.stdout, c.stderr} {
		if t, ok := w.(*tty); ok {
			t.ui = u
		}
	}
	if u.json {
		c.errors = u.log
	}
	for _, warning := range c.warnings {
		u.log.Warn(warning)
	}
	c.warnings = nil
	return u
}

// lockedWriter writes log lines. It erases the bar first; the next redraw shows it
// again.
type lockedWriter struct{ *ui }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear()
	return w.out.Write(p)
}

// watch shows the progress until Close. It looks more often than it logs, so that the
// time left is known when it is logged.
func (u *ui) watch(now func() progress) {
	if !u.draw && !u.logs {
		return
	}
	looks := 1
	if u.logs {
		looks = int(logEvery / redrawEvery)
	}
	u.done.Go(func() {
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		var o outlook
		for look := 1; ; look++ {
			select {
			case <-tick.C:
				p := now()
				p.left = cmp.Or(p.left, o.left(p.sight()))
				if look%looks == 0 {
					u.show(p)
				}
			case <-u.stop:
				return
			}
		}
	})
}

func (u *ui) show(p progress) {
	switch {
	case u.logs && u.json:
		u.log.Info("progress", p.fields()...)
	case u.logs:
		u.log.Info("progress: " + p.String())
	default:
		u.mu.Lock()
		defer u.mu.Unlock()
		u.redraw(p)
	}
}

// spinner is shown while the total is not known.
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// redraw replaces the line of progress, with one write. The last columns stay
// free: a terminal shows a Ctrl-C there, and may wrap after the last one.
func (u *ui) redraw(p progress) {
	if !u.draw || u.apart {
		return // after abandon, nothing is drawn
	}
	columns := u.columns()
	u.turn++
	turns := []rune(spinner)
	line := p.line(columns-3, string(turns[u.turn%len(turns)]))
	_, _ = io.WriteString(u.out, u.erase(columns)+line)
	u.drawn = utf8.RuneCountInString(line)
}

// erase returns the control sequence that erases the line that was drawn. If the
// window has become narrower since, the terminal has wrapped the line, and all of
// its rows are erased.
func (u *ui) erase(columns int) string {
	up := ""
	if rows := (u.drawn - 1) / columns; u.drawn > 0 && rows > 0 {
		up = fmt.Sprintf("\x1b[%dA", rows)
	}
	return "\r" + up + "\x1b[J"
}

// clear erases the line that was drawn.
func (u *ui) clear() {
	if u.drawn > 0 {
		_, _ = io.WriteString(u.out, u.erase(u.columns()))
		u.drawn = 0
	}
}

// columns returns the width of the terminal, which may change during a run.
func (u *ui) columns() int {
	if f, ok := u.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
			return w
		}
	}
	return 80
}

// Close stops the progress and erases its line.
func (u *ui) Close() {
	u.closed.Do(func() {
		close(u.stop)
		u.done.Wait()
		u.mu.Lock()
		defer u.mu.Unlock()
		u.clear()
	})
}

// abandon erases the line of progress at once, and stops any further drawing.
func (u *ui) abandon(syscall.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	u.draw = false
}

// notice logs a line that is shown even with --quiet.
func (u *ui) notice(text string, fields ...any) {
	slog.New(alwaysOn{u.log.Handler()}).Info(text, fields...)
}

// showTenant shows which tenant this is about: on a terminal so that it can't be
// overlooked.
func (u *ui) showTenant(host string) {
	if u.json || !u.terminal && !u.draw {
		u.notice("tenant "+host, u.fields("tenant", host)...)
		return
	}
	text := "tenant " + report.Printable(host)
	rule := strings.Repeat("━", min(utf8.RuneCountInString(text), u.columns()))
	_, _ = fmt.Fprintf(lockedWriter{u}, "%s\n%s\n%s\n", rule, text, rule)
}

// alwaysOn is a handler without a minimum level.
type alwaysOn struct{ slog.Handler }

func (alwaysOn) Enabled(context.Context, slog.Level) bool { return true }

// summarize prints how a run ended.
func (u *ui) summarize(s *report.Summary, quiet bool) {
	if u.json {
		u.notice("finished", fieldsOf(s)...)
		return
	}
	first, rest, more := strings.Cut(s.String(), "\n")
	if u.terminal {
		first = withSeparators(first)
	}
	if more && !quiet {
		first += "\n" + rest
	}
	u.closing(first)
}

// withSeparators adds thousands separators to the totals. Scripts get them without.
func withSeparators(totals string) string {
	totals = regexp.MustCompile(`\d+`).ReplaceAllStringFunc(totals, func(digits string) string {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return digits
		}
		return report.Number(n)
	})
	if rest, one := strings.CutPrefix(totals, "1 rows"); one {
		return "1 row" + rest
	}
	return totals
}

// fields returns the fields for a line if the log is JSON, otherwise nil.
func (u *ui) fields(fields ...any) []any {
	if u.json {
		return fields
	}
	return nil
}

// fieldsOf returns the fields of a JSON object, for a line of a log.
func fieldsOf(object json.Marshaler) (fields []any) {
	text, err := object.MarshalJSON()
	var values map[string]any
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		return []any{"error", err}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, name, values[name])
	}
	return fields
}

// closing prints the last text of a run.
func (u *ui) closing(text string) {
	if u.json {
		u.notice(text)
		return
	}
	fmt.Fprintln(u.text, text)
}

func printOrgs(w io.Writer, orgs []job.OrgRows) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range orgs {
		fmt.Fprintf(t, "  %s\t%s\n", report.Printable(o.OrgID), report.Plural(o.Rows, "row"))
	}
	_ = t.Flush()
}

// tty is a terminal that text is written to, where values from files and servers
// must not do anything: it shows control characters and does not obey them. It keeps
// the text apart from the line of progress, which may be on the same terminal.
type tty struct {
	file *os.File
	ui   *ui    // of the line of progress; nil: there is none
	cut  []byte // the begin of a character whose rest was not written yet
}

// ttyOf returns the terminal that w writes to, or w if that is none.
func ttyOf(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &tty{file: f}
	}
	return w
}

// withinLines is text that may hold control characters: line ends and tabs are those
// of the text, or harmless.
var withinLines = regexp.MustCompile(`[^\n\t]+`)

func (t *tty) Write(p []byte) (int, error) {
	if t.ui != nil {
		t.ui.mu.Lock()
		defer t.ui.mu.Unlock()
		t.ui.clear()
		t.ui.apart = !bytes.HasSuffix(p, []byte("\n"))
	}
	text := slices.Concat(t.cut, p)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= i
			}
			break
		}
	}
	t.cut = bytes.Clone(text[whole:])
	_, err := io.WriteString(t.file, withinLines.ReplaceAllStringFunc(string(text[:whole]), report.Printable))
	return len(p), err
}
