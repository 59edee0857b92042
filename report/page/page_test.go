package page_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"orgimport/importer"
	"orgimport/report"
	"orgimport/report/internal/reporttest"
	"orgimport/report/page"
)

// The helpers of all tests of this package.
const header = reporttest.Header

var (
	noon    = reporttest.Noon
	outcome = reporttest.Outcome
	results = reporttest.Results
)

// failing is a writer that fails.
type failing struct{ err error }

func (f *failing) Write([]byte) (int, error) { return 0, f.err }

// seeker is a reader that seeks nowhere, with an error.
type seeker struct {
	io.Reader
	err error
}

func (s *seeker) Seek(int64, int) (int64, error) { return 0, s.err }

// about returns a page about results and the summary of their last run, which may be
// nil.
func about(summary *report.SummaryFile) page.Page {
	return page.Page{
		Results: "results.csv", Version: "v1.2.3", Made: noon.Add(time.Hour), Summary: summary, ToSummarize: "ask for one", Resume: "--again",
		Advise: func(c report.Cause) (title, do string) {
			return fmt.Sprint("It is ", c.HTTPStatus, " ", c.Code), "Ask somebody about " + c.Message + "."
		},
	}
}

// render returns the page about results and the summary of their last run.
func render(t testing.TB, results string, summary *report.SummaryFile) string {
	t.Helper()
	var html bytes.Buffer
	if err := page.Write(&html, strings.NewReader(results), about(summary)); err != nil {
		t.Fatal(err)
	}
	return html.String()
}

var tags = regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>|<[^>]*>`)

// text returns what people read of a page, with single spaces.
func text(html string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
}

func TestPageBeginsWithWhatMatters(t *testing.T) {
	added := outcome(2, "org_a", "auth0|1", importer.Added)
	failed := outcome(3, "org_a", "auth0|2", importer.Failed)
	ended := func(code, lines, notAttempted int, stopped string) *report.SummaryFile {
		return &report.SummaryFile{
			Facts: report.Facts{Tenant: "acme.eu.auth0.com", Started: noon, Finished: noon.Add(time.Minute), ExitCode: code, Stopped: stopped},
			Run:   reporttest.Run, Lines: lines, Rows: lines + notAttempted, NotAttempted: notAttempted,
		}
	}
	interrupted := func(lines int) *report.SummaryFile { return ended(130, lines, 8, "stopped by SIGINT") }
	tests := []struct {
		name    string
		results string
		summary *report.SummaryFile
		want    []string
	}{
		{"no file yet", "", nil, []string{"No rows", "has no lines yet"}},
		{"header alone", header + "\n", nil, []string{"No rows"}},
		{"all done, for all that is known", results(t, nil, added), nil, []string{"1 row done No row in the results failed.", "added 1 100 %", "Rows that were not attempted have no line", "says how many there are: ask for one."}},
		{"all done", results(t, nil, added), ended(0, 1, 0, ""), []string{
			"Every row is done 1 row, and nothing is left to do.", "Run of orgimport on acme.eu.auth0.com",
			"The last run Started 2026-03-01 12:00:00 UTC Took 1 min 0 s Exit code 0",
		}},
		{"one not done", results(t, nil, added, failed), nil, []string{"1 of 2 rows is not done", "added 1 50.0 %", "failed 1 50.0 %"}},
		{"none done", results(t, nil, failed, outcome(4, "org_a", "auth0|2", importer.Failed)), nil, []string{"None of 2 rows is done", "failed 2 100 %"}},
		{"stopped", results(t, nil, added), interrupted(1), []string{
			"8 of 9 rows still to be attempted", "Continue with --again", "not attempted 8 88.9 %", "The last run ended with exit code 130: stopped by SIGINT.",
		}},
		{"stopped with failures", results(t, nil, added, failed), interrupted(2), []string{"1 of 10 rows is not done, and 8 were not attempted"}},
		{"stopped at a pipe", results(t, nil, added), ended(10, 1, 0, "--max-duration"), []string{
			"1 row done so far", "It is not known whether the run came to the end of its input: continue with --again.",
		}},
		{"stopped before the first row", header + "\n", &report.SummaryFile{Facts: report.Facts{ExitCode: 130}, Rows: 8, NotAttempted: 8}, []string{"None of 8 rows was attempted Continue with --again."}},
		{"killed after a run that was stopped", results(t, nil, added, failed, added), interrupted(2), []string{
			"and 8 were not attempted", "1 line of the results was written after the summary, by a run that was killed or is still going on.",
		}},
		{"killed after the last row of a resumed run", results(t, nil, failed, added, outcome(3, "org_a", "auth0|2", importer.Added)), ended(1, 1, 0, ""), []string{"2 rows done so far"}},
		{"damaged", results(t, nil, added) + "x\n2,org", nil, []string{"1 line of the results could not be read and is not counted; --again attempts such rows again.", "The last line of the results is cut short"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(render(t, tt.results, tt.summary))
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in:\n%s", want, got)
				}
			}
			if strings.Contains(got, "Every row") && !strings.HasPrefix(tt.want[0], "Every row") {
				t.Errorf("it says that every row is done:\n%s", got)
			}
		})
	}
}

func TestPageShowsTheCourseOfTheRun(t *testing.T) {
	var rows []importer.Outcome
	for i := range 100 {
		o := outcome(i+2, "org_a", fmt.Sprint("auth0|", i), importer.Added)
		o.Time = noon.Add(time.Duration(i) * time.Second)
		rows = append(rows, o)
	}
	// What a run only finds is not what it does.
	before := outcome(200, "org_a", "auth0|200", importer.AlreadyMember)
	before.Attempts, before.Time = 1, noon.Add(time.Hour)
	duplicate := outcome(201, "org_a", "auth0|200", importer.Duplicate)
	rows = append(rows, before, duplicate)
	summary := &report.SummaryFile{
		Facts: report.Facts{
			Started: noon, Finished: noon.Add(2 * time.Minute), Requests: 1200, Refused: 1,
			Waited: 12.4, Held: 0.2, Outages: 20, Reads: 7, WritesSaved: 3,
		},
		Run: reporttest.Run, Lines: len(rows), Rows: len(rows), MembersPerSecond: 0.833,
	}
	html := render(t, results(t, nil, rows...), summary)
	got := strings.ReplaceAll(text(html), "&#39;", "'")
	for _, want := range []string{
		"First answer 2026-03-01 12:00:00 UTC Last answer 2026-03-01 12:01:39 UTC Between them 1 min 39 s",
		"Rows done over time 100 rows by requests, the first and the last 1 min 39 s apart. 100 50 0 12:00:00 12:00:30 12:01:00 12:01:30 12:02:00",
		"The last run Started 2026-03-01 12:00:00 UTC Took 2 min 0 s Exit code 0 Requests 1,200 Answered with 429 1 " +
			"Requests for look-ups 7 Requests that these saved 3 Waited for the tenant's limit 12 seconds " +
			"Waited for the rate that was set less than a second Waited for a tenant that did not answer 20 seconds Rows a second, waits included 0.8",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(html, "NaN") || strings.Contains(html, "Inf") {
		t.Error("the page draws NaN or Inf")
	}
}

// A summary says of which results it is, and how many lines these had.
func TestPageKnowsTheSummaryOfItsResults(t *testing.T) {
	const run, later = "oi-0123abcd-abcdefgh", "oi-0123abcd-12345678"
	line := func(n int, id string) importer.Outcome {
		o := outcome(n, "org_a", fmt.Sprint("auth0|", n), importer.Added)
		o.CorrelationID = id
		return o
	}
	ours := results(t, nil, line(2, run+"-17"), line(3, ""))
	for name, tt := range map[string]struct {
		results string
		summary report.SummaryFile
		want    string // of the page; "" if the summary is refused
	}{
		"ours":                     {ours, report.SummaryFile{Run: run, Lines: 2}, "Every row is done"},
		"a line more":              {ours, report.SummaryFile{Run: run, Lines: 1}, "1 line of the results was written after"},
		"a later run":              {results(t, nil, line(2, run+"-17"), line(3, later+"-1"), line(4, later+"-1")), report.SummaryFile{Run: run, Lines: 3}, "2 lines of the results were written after"},
		"a later run before it":    {results(t, nil, line(3, later+"-1"), line(2, run+"-17"), line(4, later+"-2"), line(5, run+"-18")), report.SummaryFile{Run: run, Lines: 4}, "Every row is done"},
		"no line has an id":        {results(t, nil, line(3, "")), report.SummaryFile{Lines: 1}, "Every row is done"},
		"another run":              {ours, report.SummaryFile{Run: later, Lines: 2}, ""},
		"a run whose id is longer": {ours, report.SummaryFile{Run: run[:len(run)-1], Lines: 2}, ""},
		"more lines":               {ours, report.SummaryFile{Run: run, Lines: 3}, ""},
	} {
		var html strings.Builder
		err := page.Write(&html, strings.NewReader(tt.results), about(&tt.summary))
		if errors.Is(err, page.ErrOtherResults) != (tt.want == "") || !strings.Contains(html.String(), tt.want) {
			t.Errorf("%s: got %v, %s", name, err, text(html.String()))
		}
	}
}

// The page saves lines of the results, so it has them unchanged.
func TestPageHasTheLinesOfTheResults(t *testing.T) {
	rows := []importer.Outcome{outcome(9, "org_a", "=cmd|' /C calc'!A0", importer.Failed), outcome(3, `a "b", c`, strings.Repeat("é ", 500), importer.Rejected), outcome(4, "org_a", "auth0|1", importer.Added)}
	for i := range rows {
		rows[i].Row.Kept = []string{"ann@acme.com", `x,"y`}
	}
	file := results(t, []string{"email", "note"}, rows...)
	file = strings.Replace(file, "2026-03-01T12:00:00Z", "01.03.2026 12:00", 1) // as a spreadsheet writes it
	html := render(t, file, nil)
	_, data, _ := strings.Cut(html, `id="lines">`)
	data, _, _ = strings.Cut(data, "</script>")
	var got []string
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatal(err)
	}
	all := strings.Split(file, "\n")
	if want := []string{all[0], all[2], all[1]}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !strings.Contains(text(html), "Line Organization User email note Status Message Correlation id 3 a &#34;b&#34;, c") {
		t.Errorf("the table is not there: %s", text(html))
	}
}

// A resumed run appends to the results. Until it ends, a row that it tried again has
// two lines.
func TestPageCountsARowOnce(t *testing.T) {
	failed, added := outcome(3, "org_a", "auth0|2", importer.Failed), outcome(3, "org_a", "auth0|2", importer.Added)
	sending := outcome(4, "org_a", "auth0|3", importer.Sending)
	rejected := outcome(5, "", "", importer.Rejected)
	moved := outcome(3, "org_a", "auth0|9", importer.Added) // on a line that was put in
	file := results(t, nil, failed, sending, rejected, added, moved, outcome(4, "org_a", "auth0|3", importer.Failed), rejected)
	got := text(render(t, file, nil))
	for _, want := range []string{"2 of 4 rows are not done", "added 2 50.0 %", "failed 1 25.0 %", "rejected 1 25.0 %", "1 organization, 1 with"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestPageExplainsEachCause(t *testing.T) {
	for _, status := range []importer.Status{importer.Failed, importer.Rejected, importer.Sending} {
		o := outcome(7, "org_a", "auth0|1", status)
		o.HTTPStatus, o.Code, o.Message = 409, "odd", "no such user"
		html := text(render(t, results(t, nil, o), nil))
		if want := "It is 409 odd 409 odd no such user Ask somebody about no such user. line 7: org_a auth0|1"; !strings.Contains(html, want) {
			t.Errorf("%s: %q is not in:\n%s", status, want, html)
		}
	}
}

func TestPageCountsOrganizations(t *testing.T) {
	var rows []importer.Outcome
	for i := range 60 {
		status := importer.Added
		if i%12 < 3 {
			status = importer.Failed
		}
		rows = append(rows, outcome(i+2, fmt.Sprintf("org_%02d", i%12), fmt.Sprint("auth0|", i), status))
	}
	got := text(render(t, results(t, nil, rows...), nil))
	for _, want := range []string{"12 organizations, 3 with rows that are not done.", "Largest Organization Rows org_00 5 org_01 5"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestPageTellsOrganizationsApartUpToABound(t *testing.T) {
	var file bytes.Buffer
	w := report.NewWriter(&file, nil, nil)
	if err := w.WriteHeader(); err != nil {
		t.Fatal(err)
	}
	rows := make([]importer.Outcome, 100_002)
	for i := range rows {
		rows[i] = outcome(i+2, fmt.Sprint("org_", i), "auth0|1", importer.Added)
	}
	rows[100_001].Row.OrgID = "org_0"
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	got := text(render(t, file.String(), nil))
	for _, want := range []string{"More than 100,000 organizations, none with rows that are not done. The rows of further ones are not counted below", "Largest Organization Rows org_0 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

// hostile would do harm on a page that does not escape it.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}</style>&<!--`

func TestPageEscapesWhatRowsHold(t *testing.T) {
	rows := []importer.Outcome{
		outcome(2, hostile, hostile, importer.Failed),
		outcome(3, hostile+"\n", hostile, importer.Rejected),
	}
	for i := range rows {
		rows[i].Code, rows[i].Message, rows[i].CorrelationID = hostile, hostile, hostile
	}
	html := render(t, results(t, nil, rows...), &report.SummaryFile{Facts: report.Facts{Tenant: hostile, Stopped: hostile, ExitCode: 3}})
	if strings.Contains(html, "alert(1)</script>") || strings.Contains(html, "<img") || strings.Count(html, "<script") != 2 {
		t.Errorf("something of a row is markup")
	}
	if !strings.Contains(html, "&lt;script&gt;alert(1)") {
		t.Errorf("the text of a row is missing")
	}
}

// What would change the direction of the text, or not be seen, is shown.
func TestPageShowsWhatIsNotSeen(t *testing.T) {
	o := outcome(2, "org_a\u2066", "auth0|\u202egnp.exe", importer.Failed)
	o.Message, o.Row.Kept = "no such user \u200b", []string{"\u061c"}
	html := render(t, results(t, []string{"name\u200e"}, o), &report.SummaryFile{Facts: report.Facts{Tenant: "acme\u202e"}, Run: reporttest.Run, Lines: 1})
	before, after, _ := strings.Cut(html, `id="lines">`) // which are unchanged, to be saved
	_, after, _ = strings.Cut(after, "</script>")
	if shown := before + after; strings.ContainsAny(shown, "\u2066\u202e\u200b\u061c\u200e") {
		t.Errorf("the page obeys: %q", text(shown))
	}
	for _, want := range []string{"acme<U+202E>", "org_a<U+2066>", "auth0|<U+202E>gnp.exe", "no such user <U+200B>", "<U+061C>", "name<U+200E>"} {
		if !strings.Contains(html2text.Replace(text(html)), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

var html2text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#43;", "+")

func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	html := render(t, results(t, nil, outcome(2, "org_a", "auth0|1", importer.Failed)), nil)
	for _, outside := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "style=", " onload", "fetch("} {
		if strings.Contains(html, outside) {
			t.Errorf("the page holds %q", outside)
		}
	}
	for _, element := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(html, "<"+element+">")
		body, _, _ := strings.Cut(rest, "</"+element+">")
		sum := sha256.Sum256([]byte(body))
		// An attribute value has &#43; for a plus sign.
		want := strings.ReplaceAll("sha256-"+base64.StdEncoding.EncodeToString(sum[:]), "+", "&#43;")
		if body == "" || !strings.Contains(html, want) {
			t.Errorf("the policy does not allow the %s of the page", element)
		}
	}
}

// The worst rows for the size of a page: each failed for a cause of its own and has
// long ids of characters that become five when they are escaped.
func TestPageIsBounded(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	const rows = 3_000
	outcomes := make([]importer.Outcome, rows)
	for i := range outcomes {
		outcomes[i] = outcome(i+2, strings.Repeat("+", 300)+fmt.Sprint(i), strings.Repeat(`"`, 1000), importer.Failed)
		outcomes[i].Message = strings.Repeat("<'", 200+i%7) + strings.Repeat(string(rune('一'+source.IntN(20000))), 5)
	}
	var html bytes.Buffer
	if err := page.Write(&html, strings.NewReader(results(t, nil, outcomes...)), about(nil)); err != nil {
		t.Fatal(err)
	}
	if html.Len() > 5<<20 {
		t.Errorf("the page has %d bytes", html.Len())
	}
	shown := strings.Count(html.String(), `oi-bac52a7c-e3b0cj5aifch-2`) - 50 // which have rows in the table
	if want := fmt.Sprintf("These are the first %s of 3,000 rows, by line.", report.Number(shown)); shown <= 0 || !strings.Contains(html.String(), want) {
		t.Errorf("%d rows are shown, and the page does not say %q", shown, want)
	}
}

// The first rows by line are kept, in whatever order they come, and not one more.
func TestPageKeepsTheFirstFailures(t *testing.T) {
	const kept, all = 5000, 5003
	rows := make([]importer.Outcome, all)
	for i := range rows {
		rows[i] = outcome(all+1-i, "org_a", fmt.Sprint("auth0|", i), importer.Failed)
	}
	html := render(t, results(t, nil, rows...), nil)
	_, data, _ := strings.Cut(html, `id="lines">`)
	data, _, _ = strings.Cut(data, "</script>")
	var lines []string
	if err := json.Unmarshal([]byte(data), &lines); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1+kept || !strings.HasPrefix(lines[1], "2,") || !strings.HasPrefix(lines[kept], fmt.Sprint(kept+1, ",")) {
		t.Errorf("%d lines, from %s to %s", len(lines), lines[1], lines[len(lines)-1])
	}
	for _, want := range []string{"These are the first 5,000 of 5,003 rows, by line.", "It has none of the 3 rows that are not in this page."} {
		if !strings.Contains(text(html), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

func TestPageRefusesAFileThatIsNotResults(t *testing.T) {
	bad := new(report.WrongFileError)
	if err := page.Write(io.Discard, strings.NewReader("org_id,user_id\n"), page.Page{}); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestPageReturnsErrors(t *testing.T) {
	broken := errors.New("input/output error")
	good := strings.NewReader(header + "\n")
	ends := &seeker{Reader: io.MultiReader(strings.NewReader(header+"\n"), iotest.ErrReader(broken))}
	stuck := &seeker{strings.NewReader(header + "\n"), broken}
	for name, err := range map[string]error{
		"results":                   page.Write(io.Discard, ends, page.Page{}),
		"results, from their start": page.Write(io.Discard, stuck, page.Page{}),
		"page":                      page.Write(&failing{err: broken}, good, page.Page{}),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(header+"\n2,o,u,failed,400,,x,1,c,2026-03-01T12:00:00Z\n"), []byte(`{"results":"r","waited_seconds":1e308,"members_per_second":1e308,"rows":-1}`))
	f.Add([]byte(header+"\n2,o,u,added,204,,,1,c,0000-01-01T00:00:00Z\n2,o,v,added,204,,,1,c,9999-12-31T23:59:59Z\n"), []byte(
		`{"results":"r","started":"9999-03-01T12:00:00Z","not_attempted":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, results, summary []byte) {
		var html bytes.Buffer
		last, _ := report.ReadSummary(bytes.NewReader(summary))
		err := page.Write(&html, strings.NewReader(string(results)), about(last))
		if bad := new(report.WrongFileError); err != nil && !errors.As(err, &bad) && !errors.Is(err, page.ErrOtherResults) {
			t.Fatal(err)
		}
		if strings.Contains(html.String(), "NaN") && !bytes.Contains(results, []byte("NaN")) && !bytes.Contains(summary, []byte("NaN")) {
			t.Fatal("the page draws NaN")
		}
	})
}

// BenchmarkPage makes the page of a million rows, of which every fifth failed:
//
//	go test ./report/page -run '^$' -bench Page -benchtime 1x
func BenchmarkPage(b *testing.B) {
	var file bytes.Buffer
	w := report.NewWriter(&file, nil, nil)
	err := w.WriteHeader()
	for i := range 1_000_000 {
		status := importer.Added
		if i%5 == 0 {
			status = importer.Failed
		}
		o := outcome(i+2, fmt.Sprintf("org_%016d", i%50_000), fmt.Sprintf("auth0|%024x", i), status)
		err = errors.Join(err, w.Write([]importer.Outcome{o}))
	}
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := page.Write(io.Discard, strings.NewReader(file.String()), about(nil)); err != nil {
			b.Fatal(err)
		}
	}
}
