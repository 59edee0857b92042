package main

import (
	"os"
	"sync"
	"time"

	"orgimport/report"
)

// eventLog writes what happens under way to the --events file. Its zero value
// writes nothing. What can't be written does not stop the run.
type eventLog struct {
	events *report.EventWriter // nil: nothing is written
	out    lateFile

	refused  int // 429s told so far
	end      chan struct{}
	sampling sync.WaitGroup
}

// lateFile holds back what is written until there is a file.
type lateFile struct {
	mu   sync.Mutex
	file *os.File
	held []byte
}

// maxHeldEvents bounds what is held back, in bytes; what is more is lost.
const maxHeldEvents = 1 << 20

func (f *lateFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		return f.file.Write(p)
	}
	if len(f.held)+len(p) <= maxHeldEvents {
		f.held = append(f.held, p...)
	}
	return len(p), nil
}

// open opens the file and writes what was held back. A run that goes on with
// another one appends to its events.
func (d *eventLog) open(path string, resumed bool) error {
	if path == "" {
		return nil
	}
	var file *os.File
	var err error
	switch {
	case special(path):
		file, err = openSpecial(path)
	case resumed:
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	default:
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	}
	if err != nil {
		return writeError(path, err)
	}
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	d.out.file = file
	if _, err := file.Write(d.out.held); err != nil {
		return writeError(path, err)
	}
	d.out.held = nil
	return nil
}

func (d *eventLog) write(e report.Event) {
	if d.events == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	_ = d.events.Write(e)
}

// sampleEvery says how often the course of a run is noted: densely at first, so
// that a short run has one too.
func sampleEvery(elapsed time.Duration) time.Duration {
	if elapsed < time.Minute {
		return time.Second
	}
	return 15 * time.Second
}

// start notes the start, and then samples until stop.
func (d *eventLog) start(r *job) {
	d.events = report.NewEventWriter(&d.out)
	d.write(report.Event{
		Kind: report.EventStart, Tenant: r.conn.base.Host,
		Command: commandLine(withoutSecrets(r.args)), Input: r.in.name, Version: version(),
	})
	d.end = make(chan struct{})
	d.sampling.Go(func() {
		for {
			select {
			case <-time.After(sampleEvery(time.Since(r.summary.Started))):
				d.sample(r)
			case <-d.end:
				return
			}
		}
	})
}

func (d *eventLog) sample(r *job) {
	all, writes := r.conn.state(), r.pace.State()
	for ; d.refused < all.Refused; d.refused++ {
		d.write(report.Event{Kind: report.EventRefused, Limit: writes.Limit})
	}
	d.write(report.Event{
		Kind: report.EventSample, Requests: all.Sent, Members: int(r.members.Load()),
		Waited: all.Waited.Seconds(), Limit: writes.Limit, Remaining: writes.Remaining, Rate: writes.Refill,
	})
}

// stop notes how the run ended, and closes the file.
func (d *eventLog) stop(r *job, e *exitError) {
	if d.events == nil {
		return
	}
	close(d.end)
	d.sampling.Wait()
	d.sample(r)
	stop := report.Event{
		Kind: report.EventStop, Requests: r.summary.Requests, Members: int(r.members.Load()),
		Waited: r.summary.Waited.Seconds(), ExitCode: e.code,
	}
	rows := r.summary.Rows()
	stop.NotAttempted = rows["not_attempted"]
	if r.summary.Stopped == "" || r.summary.Total > 0 {
		for _, n := range rows {
			stop.Rows += n
		}
	}
	if e.err != nil {
		stop.Message = e.Error()
	}
	d.write(stop)
	if d.out.file == nil {
		return // no request was answered
	}
	if err := d.out.file.Close(); err != nil {
		r.warn("can't write the events: " + err.Error())
	}
}
