package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/report"
)

// add adds n rows with a status, each in an answer of its own.
func add(s *report.Summary, n int, status importer.Status) {
	for i := range n {
		s.Add([]importer.Outcome{outcome(i+2, "org_a", fmt.Sprint("auth0|", i), status)})
	}
}

func TestSummaryAddsUp(t *testing.T) {
	journal := func(t *testing.T, ask int) *report.Journal {
		var lines []importer.Outcome
		for i := range 10 {
			status := importer.Added
			if i%5 == 0 {
				status = importer.AlreadyMember
			}
			lines = append(lines, outcome(i+2, "org_j", fmt.Sprint("auth0|", i), status))
		}
		j, err := report.Resume(strings.NewReader(results(t, nil, lines...)), io.Discard, imports, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ask {
			j.Has(importer.Row{OrgID: "org_j", UserID: fmt.Sprint("auth0|", i)})
		}
		return j
	}
	tests := []struct {
		name string
		run  func(t *testing.T, s *report.Summary)
		want string
	}{
		{"nothing", func(*testing.T, *report.Summary) {}, "0 rows"},
		{"one row", func(_ *testing.T, s *report.Summary) { add(s, 1, importer.Added) }, "1 rows = 1 added"},
		{"every status", func(_ *testing.T, s *report.Summary) {
			add(s, 9950, importer.Added)
			add(s, 20, importer.Duplicate)
			add(s, 12, importer.Failed)
			add(s, 18, importer.Rejected)
			add(s, 3, importer.AlreadyMember)
		}, "10003 rows = 9950 added + 3 already_member + 20 duplicate + 12 failed + 18 rejected"},
		{"resumed", func(t *testing.T, s *report.Summary) {
			s.ContinueFrom(journal(t, 10))
			add(s, 5, importer.Added)
		}, "15 rows = 13 added + 2 already_member\n10 were in already, 0 tried again, 5 added now"},
		{"resumed with other rows", func(t *testing.T, s *report.Summary) {
			s.ContinueFrom(journal(t, 7))
			add(s, 5, importer.Added)
		}, "12 rows = 10 added + 2 already_member\n7 were in already, 0 tried again, 5 added now\n3 lines of the results file are no longer in the input"},
		{"resumed with one row less", func(t *testing.T, s *report.Summary) { s.ContinueFrom(journal(t, 9)) },
			"9 rows = 7 added + 2 already_member\n9 were in already, 0 tried again, 0 added now\n1 line of the results file is no longer in the input"},
		{"stopped", func(_ *testing.T, s *report.Summary) {
			add(s, 5, importer.Added)
			s.Stopped, s.Total = "interrupted", 125
		}, "125 rows = 5 added + 120 not attempted"},
		{"stopped at the last row", func(_ *testing.T, s *report.Summary) {
			add(s, 5, importer.Added)
			s.Stopped, s.Total = "interrupted", 5
		}, "5 rows = 5 added"},
		{"stopped, total not known", func(_ *testing.T, s *report.Summary) {
			add(s, 5, importer.Added)
			s.Stopped = "interrupted"
		}, "5 rows = 5 added\nthe rows after the stop were not attempted and are not counted"},
		{"resumed and stopped before the journal was asked", func(t *testing.T, s *report.Summary) {
			s.ContinueFrom(journal(t, 2))
			s.Stopped, s.Total = "interrupted", 100
		}, "100 rows = 8 added + 2 already_member + 90 not attempted\n10 were in already, 0 tried again, 0 added now"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s report.Summary
			tt.run(t, &s)
			got, _, _ := strings.Cut(s.String(), "\nerrors:")
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			checkSums(t, &s)
		})
	}
}

// Until a resumed run has come to the end of its input, rows that it has no line of
// count as the results have them, and no row counts twice.
func TestSummaryOfAResumedRunThatStops(t *testing.T) {
	unknown := outcome(6, "org_a", "auth0|6", importer.Failed)
	unknown.Code = importer.CodeUnknownOutcome
	before := []importer.Outcome{
		outcome(2, "org_a", "auth0|2", importer.Added), outcome(3, "org_a", "auth0|3", importer.Failed),
		outcome(4, "org_a", "auth0|4", importer.Failed), outcome(5, "", "", importer.Rejected),
	}
	now := []importer.Outcome{
		outcome(3, "org_a", "auth0|3", importer.Added), outcome(5, "", "", importer.Rejected), outcome(7, "org_a", "auth0|4", importer.Duplicate),
	}
	for _, tt := range []struct {
		before, now []importer.Outcome
		want        string
		unknown     bool
	}{
		{before, now, "5 rows = 2 added + 1 duplicate + 1 failed + 1 rejected", false},
		{append(before, unknown), now, "6 rows = 2 added + 1 duplicate + 2 failed + 1 rejected", true},
		{before, append([]importer.Outcome{unknown}, now...), "6 rows = 2 added + 1 duplicate + 2 failed + 1 rejected", true},
	} {
		j, err := report.Resume(strings.NewReader(results(t, nil, tt.before...)), io.Discard, imports, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var s report.Summary
		s.Stopped = "interrupted"
		s.ContinueFrom(j)
		s.Add(tt.now)
		if got, _, _ := strings.Cut(s.String(), "\n"); got != tt.want || s.Unknown() != tt.unknown {
			t.Errorf("got %s, unknown: %v; want %s, %v", got, s.Unknown(), tt.want, tt.unknown)
		}
		checkSums(t, &s)
	}
}

// checkSums checks that the JSON form adds up too.
func checkSums(t *testing.T, s *report.Summary) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var sum struct {
		Rows, Added, Duplicate, Failed, Rejected int
		AlreadyMember                            int `json:"already_member"`
		NotAttempted                             int `json:"not_attempted"`
	}
	if err := json.Unmarshal(text, &sum); err != nil {
		t.Fatal(err)
	}
	if all := sum.Added + sum.AlreadyMember + sum.Duplicate + sum.Failed + sum.Rejected + sum.NotAttempted; all != sum.Rows {
		t.Errorf("%d rows, but the terms add up to %d: %s", sum.Rows, all, text)
	}
}

func TestSummarySaysHowTheRunWent(t *testing.T) {
	var s report.Summary
	s.Facts = report.Facts{
		Started: noon, Finished: noon.Add(5*time.Minute + 400*time.Millisecond),
		Requests: 1003, Refused: 2, Waited: 252, Held: 12,
		Files: []string{"results.csv", "failures.csv"}, ResumeCommand: "orgimport import --resume members.csv",
	}
	add(&s, 300, importer.Added)
	s.Add([]importer.Outcome{outcome(63, "org_a", "auth0|nobody", importer.Failed)})
	want := `301 rows = 300 added + 1 failed
1,003 requests in 5m0s, 2 answered 429, 4m12s waited for the tenant's limit, 12s for the rate that was set, 1.0 rows a second
errors:
  1 failed 400 invalid_body: no such user (line 63)
written: results.csv, failures.csv
continue with: orgimport import --resume members.csv`
	if got := s.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestSummaryForScriptsKeepsItsNames(t *testing.T) {
	s := report.Summary{Total: 10}
	s.Facts = report.Facts{
		Results: "r.csv", Tenant: tenant, Stopped: "interrupted", Started: noon, Finished: noon.Add(2 * time.Second), Requests: 3, Refused: 1,
		Waited: 1.5, ExitCode: 130, Files: []string{"r.csv"}, ResumeCommand: "orgimport import",
	}
	add(&s, 4, importer.Added)
	failed := outcome(9, "org_a", "auth0|x", importer.Failed)
	failed.CorrelationID = "oi-0123abcd-abcdefgh-4"
	s.Add([]importer.Outcome{failed})
	got, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"results":"r.csv","tenant":"acme.eu.auth0.com",` +
		`"started":"2026-03-01T12:00:00Z","finished":"2026-03-01T12:00:02Z","exit_code":130,"stopped":"interrupted","tolerated":0,` +
		`"requests":3,"refused":1,"reads":0,"writes_saved":0,"waited_seconds":1.5,"held_seconds":0,"outage_seconds":0,` +
		`"files":["r.csv"],"go_on":"orgimport import",` +
		`"run":"oi-0123abcd-abcdefgh","lines":5,"rows":10,"not_attempted":5,"resumed_lines":0,"gone_lines":0,"members_per_second":2,` +
		`"errors":[{"rows":1,"status":"failed","http_status":400,"error_code":"invalid_body","message":"no such user",` +
		`"example_line":9,"example_org_id":"org_a","example_user_id":"auth0|x","example_message":"no such user"}],"other_errors":0,` +
		`"added":4,"already_assigned":0,"already_exists":0,"already_invited":0,"already_member":0,"assigned":0,"created":0,"duplicate":0,"failed":1,"invited":0,"rejected":0,"removed":0,"sending":0}`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestReadSummary(t *testing.T) {
	s := report.Summary{Facts: report.Facts{Results: "r.csv", Started: noon, Waited: 1.5}}
	add(&s, 4, importer.Added)
	text, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := report.ReadSummary(bytes.NewReader(text)); err != nil || got.Results != "r.csv" || got.Lines != 4 || got.Waited != 1.5 {
		t.Errorf("got %+v, %v", got, err)
	}
	broken := errors.New("input/output error")
	if _, err := report.ReadSummary(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	for _, other := range []string{"", "{}", "[1]", `{"rows": 7}`, string(text[:40]), header} {
		bad := new(report.WrongFileError)
		if _, err := report.ReadSummary(strings.NewReader(other)); !errors.As(err, &bad) {
			t.Errorf("%s: got %v", other, err)
		}
	}
}

func TestCausesGroupRowsByWhatIsTheSame(t *testing.T) {
	tests := []struct {
		name     string
		messages []string // of rows with ids of their own
		want     []string
	}{
		{"id of the row", []string{"user auth0|1 does not exist", "user auth0|2 does not exist"}, []string{"user … does not exist"}},
		{"quoted id", []string{`user "auth0|1" is unknown`, `user "google-oauth2|77" is unknown`}, []string{`user "…" is unknown`}},
		{"lists of any length", []string{"unknown: auth0|1, auth0|2.", "unknown: auth0|1."}, []string{"unknown: …."}},
		{"id with spaces", []string{"no user ad|Jane Doe", "no user ad|Jane Doe"}, []string{"no user …"}},
		{"numbers", []string{"3 fields, not 2", "4 fields, not 2"}, []string{"… fields, not …"}},
		{"index", []string{"on property members[3]", "on property members[0]"}, []string{"on property members[…]"}},
		{"organization", []string{"no organization org_abc", "no organization org_def"}, []string{"no organization …"}},
		{"names with digits stay", []string{"not from Auth0", "not in UTF-8"}, []string{"not from Auth0", "not in UTF-8"}},
		{"HTTP status", []string{"400 after 3 attempts", "400 after 4 attempts"}, []string{"400 after … attempts"}},
		{"no message", []string{"", ""}, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var causes report.Causes
			for i, m := range tt.messages {
				o := outcome(i+2, "org_x", "ad|Jane Doe", importer.Failed)
				o.Message = m
				causes.Add(&o)
			}
			var got []string
			for _, c := range causes.Sorted() {
				got = append(got, c.Message)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCausesGroupRowsThatCouldNotBeRead(t *testing.T) {
	var causes report.Causes
	for i, row := range []string{"org_a,x,y", "org_b,z: w,v"} {
		o := outcome(i+2, "", "", importer.Rejected)
		o.Code, o.Message = "row_unreadable", "3 fields, the header has 2: "+row
		causes.Add(&o)
	}
	got := causes.Sorted()
	if len(got) != 1 || got[0].Message != "… fields, the header has …" || got[0].More[0].Message != "3 fields, the header has 2: org_b,z: w,v" {
		t.Errorf("got %+v", got)
	}
}

func TestCausesAreBounded(t *testing.T) {
	var s report.Summary
	var causes report.Causes
	for i := range 2000 {
		o := outcome(i+2, "org_a", "auth0|1", importer.Rejected)
		o.Message = strings.Repeat(string(rune('一'+i)), 1000)
		s.Add([]importer.Outcome{o})
		for range 4 {
			causes.Add(&o)
		}
	}
	all := causes.Sorted()
	if c := all[0]; len(all) != 500 || c.Rows != 4 || len(c.More) != 2 || !utf8.ValidString(c.Message) {
		t.Errorf("%d causes are kept, the first is of %d rows with %d more examples: %q", len(all), c.Rows, len(c.More), c.Message)
	}
	if text := s.String(); !strings.Contains(text, "1,995 rows for other causes") || len(text) > 4000 {
		t.Errorf("got %d bytes: %s", len(text), text)
	}
}

func TestSummaryWritesNoControlCharacters(t *testing.T) {
	var s report.Summary
	o := outcome(2, "org_a", "auth0|1\n", importer.Failed)
	o.Message = "bad\x1b\nrow \u202egnp.exe"
	s.Add([]importer.Outcome{o})
	if text := s.String(); strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, "bad␛␊row <U+202E>gnp.exe") {
		t.Errorf("got %q", text)
	}
}

func BenchmarkSummary(b *testing.B) {
	var s report.Summary
	rows := []importer.Outcome{outcome(2, "org_P0M5j2B0FfwQioEe", "auth0|6410784d38b3e02b77fdd65f", importer.Failed)}
	rows[0].Message = "The user auth0|6410784d38b3e02b77fdd65f does not exist."
	b.ReportAllocs()
	for b.Loop() {
		s.Add(rows)
	}
}
