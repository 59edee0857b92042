package main

import (
	"os"
	"sync"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/report"
)

// eventLog writes the events of a run to the --events file. The zero value writes
// nothing. Once the file is open, write errors do not stop the run.
type eventLog struct {
	events *report.EventWriter // nil: nothing is written
	out    deferredFile

	refused  int // 429 answers logged so far
	end      chan struct{}
	sampling sync.WaitGroup
}

// deferredFile buffers what is written until the file is open.
type deferredFile struct {
	mu   sync.Mutex
	file *os.File
	buf  []byte
}

// maxEventBuffer is how many bytes of events a [deferredFile] buffers. Events that
// do not fit are lost.
const maxEventBuffer = 1 << 20

func (f *deferredFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		return f.file.Write(p)
	}
	if len(f.buf)+len(p) <= maxEventBuffer {
		f.buf = append(f.buf, p...)
	}
	return len(p), nil
}

// open opens the file and writes the buffered events. A resumed run appends to the
// events of the earlier run.
func (l *eventLog) open(path string, resumed bool) error {
	if path == "" {
		return nil
	}
	var file *os.File
	var err error
	switch {
	case files.IsStream(path):
		file, err = files.OpenStream(path)
	case resumed:
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	default:
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	}
	if err != nil {
		return files.CantWrite(path, err)
	}
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	l.out.file = file
	if _, err := file.Write(l.out.buf); err != nil {
		return files.CantWrite(path, err)
	}
	l.out.buf = nil
	return nil
}

func (l *eventLog) write(e report.Event) {
	if l.events == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	_ = l.events.Write(e)
}

// sampleEvery returns the interval between samples of a run. It is short at first,
// so that a short run has samples too.
func sampleEvery(elapsed time.Duration) time.Duration {
	if elapsed < time.Minute {
		return time.Second
	}
	return 15 * time.Second
}

// start logs the start of the run, and then samples until [eventLog.stop].
func (l *eventLog) start(j *job) {
	l.events = report.NewEventWriter(&l.out)
	l.write(report.Event{
		Kind: report.EventStart, Tenant: j.conn.base.Host,
		Command: commandLine(withoutSecrets(j.args)), Input: j.in.Name(), Version: version(),
	})
	l.end = make(chan struct{})
	l.sampling.Go(func() {
		for {
			select {
			case <-time.After(sampleEvery(time.Since(j.summary.Started))):
				l.sample(j)
			case <-l.end:
				return
			}
		}
	})
}

func (l *eventLog) sample(j *job) {
	all, writes := j.conn.state(), j.pace.State()
	for ; l.refused < all.Refused; l.refused++ {
		l.write(report.Event{Kind: report.EventRefused, Limit: writes.Limit})
	}
	l.write(report.Event{
		Kind: report.EventSample, Requests: all.Sent, Members: int(j.members.Load()),
		Waited: all.Waited.Seconds(), Limit: writes.Limit, Remaining: writes.Remaining, Rate: writes.Refill,
	})
}

// stop logs how the run ended, and closes the file.
func (l *eventLog) stop(j *job, e *exitError) {
	if l.events == nil {
		return
	}
	close(l.end)
	l.sampling.Wait()
	l.sample(j)
	stop := report.Event{
		Kind: report.EventStop, Requests: j.summary.Requests, Members: int(j.members.Load()),
		Waited: j.summary.Waited.Seconds(), ExitCode: e.code,
	}
	rows := j.summary.Rows()
	stop.NotAttempted = rows["not_attempted"]
	if j.summary.Stopped == "" || j.summary.Total > 0 {
		for _, n := range rows {
			stop.Rows += n
		}
	}
	if e.err != nil {
		stop.Message = e.Error()
	}
	l.write(stop)
	if l.out.file == nil {
		return // the file was never opened, because no request was answered
	}
	if err := l.out.file.Close(); err != nil {
		j.warn("can't write the events: " + err.Error())
	}
}
