package report_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"orgimport/report"
)

// readAll returns the events of a file.
func readAll(t testing.TB, file string) []report.Event {
	t.Helper()
	var events []report.Event
	for e, err := range report.ReadEvents(strings.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func TestEventsAreReadBackAsWritten(t *testing.T) {
	want := []report.Event{
		{Time: noon, Kind: report.EventStart, Rows: 10, Tenant: "acme.eu.auth0.com"},
		{Time: noon.Add(time.Second), Kind: report.EventPause, Seconds: 1.5, Message: "the limit\n<0 left>"},
		{Time: noon.Add(2 * time.Second), Kind: report.EventSample, Requests: 3, Members: 30, Limit: 20, Remaining: 4, Rate: 3.5},
		{Time: noon.Add(3 * time.Second), Kind: report.EventStop, ExitCode: 1},
	}
	file := eventLog(t, want...)
	if got := readAll(t, file); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	first, _, _ := strings.Cut(file, "\n")
	if want := `{"time":"2026-03-01T12:00:00Z","kind":"start","tenant":"acme.eu.auth0.com","rows":10}`; first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
}

func TestReadEventsSkipsWhatIsNotAnEvent(t *testing.T) {
	good := eventLog(t, report.Event{Time: noon, Kind: report.EventToken})
	for name, file := range map[string]string{
		"torn line":         good + good[:20],
		"without line feed": good + strings.TrimSuffix(good, "\n"),
		"zero bytes":        "\x00\x00\n" + good + "\x00\x00\x00",
		"blank lines":       "\n\n" + good + "\n",
		"other JSON":        "[1]\n{}\n7\n" + good + `{"kind":"stop"}` + "\n",
		"line too long":     `{"kind":"` + strings.Repeat("x", 200_000) + "\"}\n" + good,
		"too long and torn": good + strings.Repeat("x", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			if got := readAll(t, file); len(got) != 1 || got[0].Kind != report.EventToken {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestReadEventsEndsWhereTheFileCannotBeRead(t *testing.T) {
	broken := errors.New("input/output error")
	var got error
	for _, err := range report.ReadEvents(iotest.ErrReader(broken)) {
		got = err
	}
	if !errors.Is(got, broken) {
		t.Errorf("got %v", got)
	}
}

func TestEventWriterWritesWholeLinesFromManyGoroutines(t *testing.T) {
	var b bytes.Buffer
	w := report.NewEventWriter(&b)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if err := w.Write(report.Event{Time: noon, Kind: report.EventRefused, Limit: i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(readAll(t, b.String())); got != 400 {
		t.Errorf("%d events, want 400", got)
	}
}

func TestEventWriterStaysBroken(t *testing.T) {
	full := errors.New("no space left on device")
	f := &file{failAt: 1, err: full, taken: 3}
	w := report.NewEventWriter(f)
	for range 2 {
		if err := w.Write(report.Event{Time: noon, Kind: report.EventToken}); !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
	}
	if f.Len() != 3 {
		t.Errorf("something was written after the error: %q", f.String())
	}
}

func TestEventWriterTakesARateThatIsNotKnown(t *testing.T) {
	for _, rate := range []float64{math.Inf(1), math.NaN()} {
		got := readAll(t, eventLog(t, report.Event{Time: noon, Kind: report.EventSample, Rate: rate}))
		if len(got) != 1 || got[0].Rate != 0 {
			t.Errorf("%v was written as %+v", rate, got)
		}
	}
}
