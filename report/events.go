package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"
	"time"
)

// Kind says what an [Event] is about.
type Kind string

// The kinds of events, and the fields they have beside Time and Kind. All of them
// may have a Message.
const (
	EventStart       Kind = "start"        // Tenant, Command, Input, Version; Rows, if known
	EventRows        Kind = "rows"         // Rows: the input was read to its end
	EventLookup      Kind = "lookup"       // Message: what was looked up; Reads, WritesSaved: by this look-up
	EventPause       Kind = "pause"        // Seconds, Detail; Time is when it began, Message what was waited for
	EventRefused     Kind = "refused"      // a request was answered with 429; Limit
	EventOutageBegin Kind = "outage_begin" // Message: the last failure
	EventOutageEnd   Kind = "outage_end"   // Seconds it lasted
	EventToken       Kind = "token"        // a token was fetched; Seconds it lives
	EventSample      Kind = "sample"       // Requests, Members, Waited, Limit, Remaining, Rate; every second, after a minute every 15
	EventStop        Kind = "stop"         // Requests, Members, Waited, ExitCode, NotAttempted; Rows, if known; Message: why, if early
)

// Event is one line of the event log of a run. A field that is zero is not
// written.
type Event struct {
	Time      time.Time `json:"time"`
	Kind      Kind      `json:"kind"`
	Message   string    `json:"message,omitempty"`
	Detail    string    `json:"detail,omitempty"` // of the message
	Tenant    string    `json:"tenant,omitempty"`
	Command   string    `json:"command,omitempty"`   // as it was typed, without secrets
	Input     string    `json:"input,omitempty"`     // name of the file that was read
	Version   string    `json:"version,omitempty"`   // of the program
	Rows      int       `json:"rows,omitempty"`      // of the input
	Seconds   float64   `json:"seconds,omitempty"`   // how long
	Requests  int       `json:"requests,omitempty"`  // sent since the start
	Members   int       `json:"members,omitempty"`   // added since the start
	Waited    float64   `json:"waited,omitempty"`    // seconds since the start, for the tenant's limit
	Limit     int       `json:"limit,omitempty"`     // requests that the tenant's bucket holds
	Remaining int       `json:"remaining,omitempty"` // of them, left now
	Rate      float64   `json:"rate,omitempty"`      // requests a second that the bucket regains, as the limiter estimates it
	ExitCode  int       `json:"exit_code,omitempty"`

	NotAttempted int `json:"not_attempted,omitempty"` // rows that the run did not come to
	Reads        int `json:"reads,omitempty"`         // requests that looked something up
	WritesSaved  int `json:"writes_saved,omitempty"`  // requests that look-ups made unnecessary
}

// EventWriter writes events as JSON lines. It is safe for concurrent use.
type EventWriter struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewEventWriter returns an EventWriter to w.
func NewEventWriter(w io.Writer) *EventWriter { return &EventWriter{w: w} }

// Write writes one line with one call of the underlying writer, with its time in
// UTC. After an error, every later call returns the same error and writes nothing.
func (w *EventWriter) Write(e Event) error {
	e.Time = e.Time.UTC()
	if math.IsInf(e.Rate, 0) || math.IsNaN(e.Rate) {
		e.Rate = 0 // not known yet, and JSON has no such number
	}
	text, err := json.Marshal(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err == nil {
		_, err = w.w.Write(append(text, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write events: %w", err)
	}
	return w.err
}

// maxEvent bounds one line, in bytes. A longer one is not an event.
const maxEvent = 64 << 10

// ReadEvents returns the events of r in the order of the file. It skips a line that
// is not an event: a run may have been killed while it wrote it. An error ends the
// range: r can't be read any further.
func ReadEvents(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		in := bufio.NewReaderSize(r, maxEvent)
		for tooLong := false; ; {
			text, err := in.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) {
				tooLong = true
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Event{}, fmt.Errorf("read events: %w", err))
				return
			}
			if e, ok := parseEvent(text); ok && !tooLong && !yield(e, nil) {
				return
			}
			if err != nil {
				return
			}
			tooLong = false
		}
	}
}

// parseEvent returns the event of one line. Without its line feed the line is
// torn, even if what is left happens to be an event.
func parseEvent(text []byte) (Event, bool) {
	text, whole := bytes.CutSuffix(text, []byte("\n"))
	var e Event
	if !whole || json.Unmarshal(text, &e) != nil || e.Kind == "" || e.Time.IsZero() {
		return Event{}, false
	}
	return e, true
}
