package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// screen is what a terminal shows: it wraps lines, and wraps them again when the
// window is resized, as most terminals do.
type screen struct {
	columns int
	lines   [][]rune // as written, not as wrapped
	column  int      // of the cursor, in the last line
}

var controlCode = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

// write shows what a program writes. The program may move the cursor up, but only
// within the rows of the last line.
func (s *screen) write(t *testing.T, text string) {
	t.Helper()
	if len(s.lines) == 0 {
		s.lines = [][]rune{nil}
	}
	for rest := []rune(text); len(rest) > 0; {
		last := &s.lines[len(s.lines)-1]
		switch r := rest[0]; r {
		case '\r':
			s.column -= s.column % s.columns
			if s.column > 0 && s.column == len(*last) { // the cursor stays after the last column
				s.column -= s.columns
			}
		case '\n':
			s.lines, s.column = append(s.lines, nil), 0
		case '\x1b':
			code := controlCode.FindStringSubmatch(string(rest[:min(8, len(rest))]))
			n, _ := strconv.Atoi(code[1])
			switch code[2] {
			case "A":
				if s.column -= n * s.columns; s.column < 0 {
					t.Fatal("the line before is written over")
				}
			case "J":
				*last = (*last)[:min(s.column, len(*last))]
			case "m":
			default:
				t.Fatalf("unknown code %q", code[0])
			}
			rest = rest[len([]rune(code[0])):]
			continue
		default:
			*last = append((*last)[:min(s.column, len(*last))], r)
			s.column++
		}
		rest = rest[1:]
	}
}

// rows returns the visible rows.
func (s *screen) rows() (rows []string) {
	for _, line := range s.lines {
		for ; len(line) > s.columns; line = line[s.columns:] {
			rows = append(rows, string(line[:s.columns]))
		}
		rows = append(rows, string(line))
	}
	return rows
}

// terminal is a pseudo-terminal with a ui on it.
type terminal struct {
	*screen
	t           *testing.T
	pty, tty    *os.File
	written     strings.Builder // all that was looked at, also what was drawn over
	environment map[string]string
}

func newTerminal(t *testing.T, columns int) *terminal {
	p, tty, err := pty.Open()
	if err != nil {
		t.Skip("there are no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { tty.Close(); p.Close() })
	term := &terminal{screen: &screen{}, t: t, pty: p, tty: tty}
	term.resize(columns)
	return term
}

func (term *terminal) resize(columns int) {
	if err := pty.Setsize(term.pty, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		term.t.Fatal(err)
	}
	term.columns = columns
}

func (term *terminal) getenv(name string) string { return term.environment[name] }

// look reads what has been written so far.
func (term *terminal) look() []string {
	term.t.Helper()
	const mark = "\x00"
	fmt.Fprint(term.tty, mark)
	var text strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(text.String(), mark); {
		n, err := term.pty.Read(buf)
		if err != nil {
			term.t.Fatal(err)
		}
		text.Write(buf[:n])
	}
	term.written.WriteString(text.String())
	term.write(term.t, strings.ReplaceAll(strings.TrimSuffix(text.String(), mark), "\r\n", "\n"))
	return term.rows()
}

func underWay(done int64) progress {
	return progress{
		done: done, total: 10_000, members: done, failed: 2, elapsed: 370 * time.Second, left: 44*time.Minute + 16*time.Second,
		waiting: waiting{text: "waiting 38s", why: " for the tenant's limit", detail: " (0 of 20 left, more at 14:03:05)"},
	}
}

func TestBarIsOneLineAtAnyWidth(t *testing.T) {
	want := map[int]string{
		40:  ` 12% waiting 38s · 44m16s left`,
		60:  ` 12% 1,234/10,000 · 2 failed · waiting 38s · 44m16s left`,
		80:  ` 12% |█         | 1,234/10,000 · 3.3/s · 2 failed · waiting 38s · 44m16s left`,
		200: `more at 14:03:05) · 44m16s left`,
	}
	for columns := 40; columns <= 200; columns++ {
		term := newTerminal(t, columns)
		u := newUI(term.tty, term.getenv, uiFlags{Progress: "auto", LogFormat: "text"})
		for _, done := range []int64{1, 9_999, 1_234} {
			u.redraw(underWay(done))
		}
		rows := term.look()
		if len(rows) != 1 || !strings.HasPrefix(rows[0], " 12% ") || !strings.Contains(rows[0], "waiting 38s") || !strings.Contains(rows[0], "44m16s left") {
			t.Errorf("at %d columns one sees\n%s", columns, strings.Join(rows, "\n"))
		}
		if used := len([]rune(rows[0])); columns > 80 && used != columns-3 {
			t.Errorf("at %d columns %d are used", columns, used)
		}
		if !strings.HasSuffix(rows[0], want[columns]) {
			t.Errorf("at %d columns one sees\n%s, not\n%s", columns, rows[0], want[columns])
		}
		u.Close()
		if rows := term.look(); len(rows) != 1 || rows[0] != "" {
			t.Errorf("it leaves\n%s", strings.Join(rows, "\n"))
		}
	}
}

func TestBarSurvivesResizing(t *testing.T) {
	term := newTerminal(t, 200)
	term.environment = map[string]string{"NO_COLOR": "1"}
	u := newUI(term.tty, term.getenv, uiFlags{Progress: "auto", LogFormat: "text"})
	u.log.Info("tenant acme.eu.auth0.com")
	for _, columns := range []int{200, 60, 40, 80, 41, 200, 40} {
		term.resize(columns)
		u.redraw(underWay(1_234))
		rows := term.look()
		if n := len(rows); n != 2 || !strings.HasSuffix(rows[0], "tenant acme.eu.auth0.com") || !strings.HasPrefix(rows[1], " 12% ") {
			t.Fatalf("at %d columns one sees\n%s", columns, strings.Join(rows, "\n"))
		}
	}
	term.resize(20)
	u.log.Info("a line")
	if rows := term.look(); !strings.HasSuffix(strings.Join(rows, ""), " INF a line") || strings.Contains(strings.Join(rows, ""), "%") {
		t.Errorf("one sees\n%s", strings.Join(rows, "\n"))
	}
}

func TestSpinnerTurnsWhereNoEndIsKnown(t *testing.T) {
	term := newTerminal(t, 60)
	u := newUI(term.tty, term.getenv, uiFlags{Progress: "auto", LogFormat: "text"})
	p := progress{members: 1_234, did: "added", elapsed: 100 * time.Second}
	for _, want := range []string{"⠙ 1,234 added · 12.3/s", "⠹ 1,234 added · 12.3/s"} {
		u.redraw(p)
		if rows := term.look(); len(rows) != 1 || rows[0] != want {
			t.Errorf("one sees %q, not %q", rows, want)
		}
	}
}

func TestProgressIsWhereItBelongs(t *testing.T) {
	for _, tt := range []struct {
		flags      uiFlags
		env        map[string]string
		draw, logs bool
	}{
		{uiFlags{Progress: "auto"}, nil, true, false},
		{uiFlags{Progress: "auto"}, map[string]string{"CI": "true"}, false, true},
		{uiFlags{Progress: "auto"}, map[string]string{"TERM": "dumb"}, false, true},
		{uiFlags{Progress: "auto", LogFormat: "json"}, nil, false, true},
		{uiFlags{Progress: "auto", Quiet: true}, nil, false, false},
		{uiFlags{Progress: "log"}, nil, false, true},
		{uiFlags{Progress: "off"}, nil, false, false},
		{uiFlags{Progress: "bar"}, map[string]string{"CI": "true"}, true, false},
	} {
		term := newTerminal(t, 80)
		term.environment = tt.env
		u := newUI(term.tty, term.getenv, tt.flags)
		if u.draw != tt.draw || u.logs != tt.logs || u.log.Enabled(context.Background(), slog.LevelInfo) == tt.flags.Quiet {
			t.Errorf("%+v with %v: a bar %v, lines %v", tt.flags, tt.env, u.draw, u.logs)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", 9 * time.Minute: "9m", 20 * time.Minute: "20m", 90 * time.Second: "1m30s", 750 * time.Second: "12m30s", 65 * time.Minute: "1h05m", 10 * time.Hour: "10h00m",
	} {
		if got := brief(d); got != want {
			t.Errorf("%s is said as %q, want %q", d, got, want)
		}
	}
}

// onTerminal runs orgimport on a pseudo-terminal of that width.
func onTerminal(t *testing.T, columns int, env []string, args ...string) (term *terminal, cmd *exec.Cmd) {
	cmd = exec.Command("orgimport", args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret", "CI=", "TERM=xterm"), env...)
	p, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)})
	if err != nil {
		t.Skip("there are no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { p.Close(); _ = cmd.Process.Kill() })
	return &terminal{screen: &screen{columns: columns}, t: t, pty: p}, cmd
}

// until reads until a row matches, or the program ends.
func (term *terminal) until(pattern string) []string {
	term.t.Helper()
	buf, row := make([]byte, 4096), regexp.MustCompile(`(?m)`+pattern)
	for {
		n, err := term.pty.Read(buf)
		term.write(term.t, strings.ReplaceAll(string(buf[:n]), "\r\n", "\n"))
		if rows := term.rows(); row.MatchString(strings.Join(rows, "\n")) {
			return rows
		}
		if err != nil {
			term.t.Fatalf("no row matches %s of\n%s", pattern, strings.Join(term.rows(), "\n"))
		}
	}
}

func TestCtrlCIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	var hanging sync.WaitGroup
	hanging.Add(2)
	var requests atomic.Int32
	tenant := auth0test.New(auth0test.Config{Fault: func(r *http.Request, _ int) auth0test.Fault {
		if !strings.HasSuffix(r.URL.Path, "/members") {
			return auth0test.Fault{}
		}
		n := requests.Add(1)
		if n == 3 || n == 4 { // more come only if the test is too slow
			hanging.Done()
		}
		return auth0test.Fault{Hang: n > 2}
	}})
	address, shut, err := serve(tenant, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shut()
	input := filepath.Join(t.TempDir(), "members.csv")
	var rows strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rows, "org_a,auth0|%d\n", i)
	}
	if err := os.WriteFile(input, []byte("org_id,user_id\n"+rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	term, cmd := onTerminal(t, 300, []string{"AUTH0_DOMAIN=" + address}, "import", input, "--results", "results.csv", "--workers", "2")
	hanging.Wait()
	term.until(`^ 20% .* 20/100`)
	fmt.Fprint(term.pty, "\x03")
	term.until(`INF.* stopping: 2 requests in flight are finished, up to 25s; Ctrl-C again stops at once$`)
	term.until(`^ 20% .* · stopping$`)
	fmt.Fprint(term.pty, "\x03")
	term.until(`^orgimport: error: stopped without waiting for the requests in flight, which may have been carried out: results.csv accounts for 20 of 100 rows$`)
	seen := term.until(`^orgimport: hint: continue with: orgimport import \S+members.csv --results results.csv --workers 2 --resume\n$`)
	if strings.Contains(strings.Join(seen, "\n"), "%") {
		t.Errorf("the bar is left behind:\n%s", strings.Join(seen, "\n"))
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
}

func TestTotalsAreForPeopleOnATerminal(t *testing.T) {
	var s report.Summary
	rows := make([]importer.Outcome, 12_345)
	for i := range rows {
		rows[i] = importer.Outcome{Status: importer.Added}
	}
	s.Add(rows)
	for _, quiet := range []bool{true, false} {
		term := newTerminal(t, 80)
		newUI(term.tty, term.getenv, uiFlags{Progress: "auto"}).summarize(&s, quiet)
		if rows := term.look(); rows[0] != "12,345 rows = 12,345 added" {
			t.Errorf("one sees %q", rows[0])
		}
		var log bytes.Buffer
		newUI(&log, term.getenv, uiFlags{Progress: "auto"}).summarize(&s, quiet)
		if first, _, _ := strings.Cut(log.String(), "\n"); first != "12345 rows = 12345 added" {
			t.Errorf("a script reads %q", first)
		}
	}
	if got := withSeparators("1 rows = 1 added"); got != "1 row = 1 added" {
		t.Errorf("one row is %q", got)
	}
}

// TestTextAndProgressShareATerminal, if a command is typed without >file: neither
// damages the other, even if a line of text is written in parts.
func TestTextAndProgressShareATerminal(t *testing.T) {
	term := newTerminal(t, 80)
	text := ttyOf(term.tty)
	c := &console{surroundings: surroundings{getenv: term.getenv, stdout: text, stderr: text}}
	u := c.openUI(uiFlags{Progress: "auto", LogFormat: "text"})
	for _, part := range []string{"org_a,auth0|1\norg_a,", "auth0|2", "\norg_a,auth0|3\n"} {
		u.redraw(underWay(1_234))
		fmt.Fprint(text, part)
	}
	u.redraw(underWay(1_234))
	rows := term.look()
	if got := strings.Join(rows[:len(rows)-1], " "); got != "org_a,auth0|1 org_a,auth0|2 org_a,auth0|3" || !strings.HasPrefix(rows[len(rows)-1], " 12% ") {
		t.Errorf("one sees\n%s", strings.Join(rows, "\n"))
	}
}

// TestTerminalObeysNoValue: control characters, and those that change the direction
// of text, may come from files and servers into anything that is printed.
func TestTerminalObeysNoValue(t *testing.T) {
	const evil, shown = "a\x1b[2J\u202eb\x9bc\r\x07", "a␛[2J<U+202E>b\ufffdc␍␇"
	term := newTerminal(t, 200)
	text := ttyOf(term.tty)
	c := &console{surroundings: surroundings{getenv: term.getenv, stdout: text, stderr: text}, env: environmentOf(nil)}
	u := c.openUI(uiFlags{Progress: "off", LogFormat: "text"})
	u.log.Warn(evil)
	u.log.Info("error", "err", errors.New(evil)) // which is quoted
	u.closing(evil)
	u.showTenant(evil)
	c.printError(&exitError{exitStopped, errors.New(evil), evil})
	fmt.Fprint(c.stdout, evil+"\t\xe2\x82")
	fmt.Fprint(c.stdout, "\xac\n") // a character in two parts
	json := c.openUI(uiFlags{LogFormat: "json"})
	json.log.Warn(evil)
	rows := strings.Join(term.look(), "\n")
	if n := strings.Count(rows, shown); n != 7 || strings.ContainsAny(rows, "\u202e\x07") || !strings.Contains(rows, "€") {
		t.Errorf("one sees %d of them:\n%q", n, rows)
	}
}

// TestTenantIsNotOverlooked on a terminal, whatever else is printed.
func TestTenantIsNotOverlooked(t *testing.T) {
	for _, flags := range []uiFlags{{Progress: "auto"}, {Progress: "auto", Quiet: true}, {Progress: "off"}} {
		term := newTerminal(t, 80)
		newUI(term.tty, term.getenv, flags).showTenant("acme.eu.auth0.com")
		if rows := term.look(); len(rows) != 4 || rows[1] != "tenant acme.eu.auth0.com" || rows[0] != strings.Repeat("━", len(rows[1])) || rows[2] != rows[0] {
			t.Errorf("one sees\n%s", strings.Join(rows, "\n"))
		}
	}
}
