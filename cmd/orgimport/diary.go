package main

import (
	"os"
	"sync"
	"time"

	"orgimport/report"
)

// diary writes what happens under way to the --events file. Its zero value
// writes nothing. What can't be written does not stop the run.
type diary struct {
	file   *os.File
	events *report.EventWriter

	refused  int // 429s told so far
	end      chan struct{}
	sampling sync.WaitGroup
}

func (d *diary) open(path string, goOn bool) (err error) {
	if path == "" {
		return nil
	}
	mode := os.O_TRUNC
	if goOn {
		mode = os.O_APPEND
	}
	d.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|mode, 0o600)
	if err != nil {
		return writeError(path, err)
	}
	d.events = report.NewEventWriter(d.file)
	return nil
}

func (d *diary) write(e report.Event) {
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
func (d *diary) start(r *importRun, tenant string) {
	if d.events == nil {
		return
	}
	d.write(report.Event{Kind: report.EventStart, Tenant: tenant})
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

func (d *diary) sample(r *importRun) {
	state := r.pace.State()
	for ; d.refused < state.Refused; d.refused++ {
		d.write(report.Event{Kind: report.EventRefused, Limit: state.Limit})
	}
	d.write(report.Event{
		Kind: report.EventSample, Requests: state.Sent, Members: int(r.members.Load()),
		Limit: state.Limit, Remaining: state.Remaining, Rate: state.Refill,
	})
}

// stop notes the end and closes the file.
func (d *diary) stop(r *importRun) {
	if d.events == nil {
		return
	}
	close(d.end)
	d.sampling.Wait()
	d.sample(r)
	d.write(report.Event{
		Kind: report.EventStop, Requests: r.summary.Requests, Members: int(r.members.Load()),
		ExitCode: r.summary.ExitCode, Message: r.summary.Stopped,
	})
	if err := d.file.Close(); err != nil {
		r.warn("can't write the events: " + err.Error())
	}
}
