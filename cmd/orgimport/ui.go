package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"orgimport/report"
)

// What people see of a run, and its rules: nothing of it goes to stdout; a log
// line never breaks the bar; a pipe or a file gets no bar and no colours; error
// texts are lower case, without a full stop, and a hint says what to type next.

// uiFlags say how a run shows what it does.
type uiFlags struct {
	Quiet     bool   `help:"Say nothing but errors and the reckoning." group:"output"`
	Progress  string `help:"auto, bar, log or off." enum:"auto,bar,log,off" default:"auto" placeholder:"HOW" group:"output"`
	LogFormat string `help:"text or json." enum:"text,json" default:"text" placeholder:"FORMAT" group:"output"`
}

const (
	redrawEvery   = 200 * time.Millisecond
	logEvery      = 30 * time.Second
	pauseWorthLog = 5 * time.Second
)

// ui is the terminal, or the log, of one run.
type ui struct {
	mu   sync.Mutex
	out  io.Writer
	draw bool                     // a bar
	bar  *progressbar.ProgressBar // nil until it is drawn for the first time
	logs bool                     // a line of progress now and then
	log  *slog.Logger
	json bool

	stop   chan struct{}
	closed sync.Once
	done   sync.WaitGroup
}

// newUI opens the ui. It says what show returns until Close: in a bar, or in a
// log line now and then.
func newUI(out io.Writer, getenv func(string) string, flags uiFlags) *ui {
	u := &ui{out: out, json: flags.LogFormat == "json", stop: make(chan struct{})}
	terminal := isTerminal(out)
	switch flags.Progress {
	case "bar":
		u.draw = true
	case "log":
		u.logs = true
	case "auto":
		if terminal && !u.json && getenv("TERM") != "dumb" && getenv("CI") == "" {
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
		u.log = slog.New(slog.NewJSONHandler(lockedWriter{u}, &slog.HandlerOptions{Level: level}))
		return u
	}
	u.log = slog.New(tint.NewTextHandler(lockedWriter{u}, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb",
	}))
	return u
}

// openUI opens the ui of a command. If its log is for machines, so are the errors.
func (c *console) openUI(flags uiFlags) *ui {
	u := newUI(c.stderr, c.getenv, flags)
	if u.json {
		c.errors = u.log
	}
	return u
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newBar returns a bar, or a spinner where nothing is known of the end. It hides
// that out is a file, for a bar that knows one syncs it to disk on every redraw.
func newBar(out io.Writer, total int64) *progressbar.ProgressBar {
	most := int64(1)
	if total == 0 {
		most = -1
	}
	return progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(struct{ io.Writer }{out}),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // drawn when told, by one goroutine
	)
}

// lockedWriter writes log lines between two drawings of the bar.
type lockedWriter struct{ *ui }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bar != nil {
		_ = w.bar.Clear()
	}
	return w.out.Write(p)
}

// watch shows the progress until Close.
func (u *ui) watch(now func() progress) {
	if !u.draw && !u.logs {
		return
	}
	every := redrawEvery
	if u.logs {
		every = logEvery
	}
	u.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				u.show(now())
			case <-u.stop:
				return
			}
		}
	})
}

func (u *ui) show(p progress) {
	if u.logs {
		u.log.Info("progress: " + p.String())
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bar == nil {
		u.bar = newBar(u.out, p.total)
	}
	u.bar.Describe(fit(p.short(), u.width()-30))
	if p.total == 0 {
		_ = u.bar.Add(1)
		return
	}
	u.bar.ChangeMax64(max(p.total, p.done) + 1) // a bar that is full is finished for good
	_ = u.bar.Set64(p.done)
}

// width is that of the terminal, which may change under way.
func (u *ui) width() int {
	if f, ok := u.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

func fit(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return string(runes[:max(0, width-1)]) + "…"
}

// Close ends the progress and leaves a clean line.
func (u *ui) Close() {
	u.closed.Do(func() {
		close(u.stop)
		u.done.Wait()
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.bar != nil {
			_ = u.bar.Clear()
			u.bar = nil // what is logged from now on breaks nothing
		}
	})
}

// notice says what must be said even when quiet.
func (u *ui) notice(text string) {
	slog.New(alwaysOn{u.log.Handler()}).Info(text)
}

// alwaysOn lets lines pass that the level of a handler would hold back.
type alwaysOn struct{ slog.Handler }

func (alwaysOn) Enabled(context.Context, slog.Level) bool { return true }

// reckon says how an import ended.
func (u *ui) reckon(s *report.Summary, quiet bool) {
	text := s.String()
	if quiet {
		text, _, _ = strings.Cut(text, "\n")
	}
	u.closing(text)
}

// closing is the last thing that is said.
func (u *ui) closing(text string) {
	if u.json {
		u.notice(text)
		return
	}
	fmt.Fprintln(u.out, text)
}
