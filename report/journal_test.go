package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/report"
	"orgimport/report/internal/reporttest"
)

const tenant = "acme.eu.auth0.com"

// resume resumes from file and returns what stays of it.
func resume(t testing.TB, file string) (*report.Journal, string) {
	t.Helper()
	var w bytes.Buffer
	j, err := report.Resume(strings.NewReader(file), &w, imports, tenant, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j, w.String()
}

func TestResumeKeepsWhatIsIn(t *testing.T) {
	const (
		a       = "2,org_a,auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		b       = "3,org_a,auth0|2,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		member  = "4,org_a,auth0|3,already_member,,,,0,oi-bac52a7c-e3b0cj5aifch-7,2026-03-01T12:00:00Z\n"
		again   = "9,org_a,auth0|1,already_member,409,,,1,oi-bac52a7c-e3b0cj5aifch-7,2026-03-01T12:00:00Z\n"
		quoted  = "5,org_a,\"auth0|a \"\"b\"\", c\",added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		failed  = "6,org_a,auth0|6,failed,400,invalid_body,\"no, such\",1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		fails   = "6,org_a,auth0|6,failed,403,,,1,oi-bac52a7c-e3b0cj5aifch-2,2026-03-01T12:00:00Z\n"
		mended  = "6,org_a,auth0|6,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-3,2026-03-01T12:00:00Z\n"
		seventh = "7,org_a,auth0|7,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-3,2026-03-01T12:00:00Z\n"
		reject  = "7,,,rejected,,,the user is empty,0,,2026-03-01T12:00:00Z\n"
		nobodys = "2,org_a,auth0|1,added,204,,,1,,2026-03-01T12:00:00Z\n"
		foreign = "2,org_a,auth0|1,added,204,,,1,oi-acme-1,2026-03-01T12:00:00Z\n"
		short   = "2,org_a,auth0|1,Added ,204,,,1,oi-bac52a7c-e3b0cj5aifch-1\n"
		dup     = "8,org_a,auth0|1,duplicate,,,same pair as line 2,0,,2026-03-01T12:00:00Z\n"
		crlf    = "2,org_a,auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\r\n"
		noUser  = "2,org_a,,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		noLine  = "x,org_a,auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		noTime  = "2,org_a,auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-\n"
		open    = "2,org_a,\"auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		stray   = "2,org_a,auth0|\"1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"
		head    = header + "\n"
	)
	zeros := strings.Repeat("\x00", 4096)
	huge := strings.Repeat("x", 20<<20) + "\n"
	tests := []struct {
		name     string
		in, want string
		damaged  int
		torn     bool
	}{
		{name: "nothing at all"},
		{name: "header alone", in: head, want: head},
		{name: "rows that are in", in: head + a + b + member, want: head + a + b + member},
		{name: "quotes and commas", in: head + quoted + a, want: head + quoted + a},
		{name: "carriage returns of an editor", in: header + "\r\n" + crlf, want: header + "\r\n" + crlf},
		{name: "rows to be tried again", in: head + failed + a + reject + dup, want: head + failed + a + reject + dup},
		{name: "files joined", in: head + a + head + b, want: head + a + b},
		{name: "failed again", in: head + failed + a + fails, want: head + a + fails},
		{name: "in after it failed", in: head + failed + a + mended, want: head + a + mended},
		{name: "rejected again", in: head + reject + a + reject, want: head + a + reject},
		{name: "mended after it was rejected", in: head + reject + seventh, want: head + seventh},
		{name: "no run says that it wrote the line", in: head + nobodys + foreign + b, want: head + b},
		{name: "failed after no run says who", in: head + nobodys + strings.Replace(nobodys, "added", "failed", 1), want: head + strings.Replace(nobodys, "added", "failed", 1)},
		{name: "empty fields left out at the end", in: head + short + b, want: head + strings.TrimSuffix(short, "\n") + ",\n" + b},
		{name: "saved by a spreadsheet", in: header + "\n2,org_a,auth0|1,ADDED,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,01.03.2026 12:00\n", want: head + "2,org_a,auth0|1,ADDED,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,01.03.2026 12:00\n"},
		{name: "empty values left out at the end", in: header + ",x,y\n" + a + b[:len(b)-1] + ",z\n", want: header + ",x,y\n" + a[:len(a)-1] + ",,\n" + b[:len(b)-1] + ",z,\n"},
		{name: "same pair twice", in: head + a + b + a + again, want: head + a + b},
		{name: "same pair, member first", in: head + again + a, want: head + again},
		{name: "torn line", in: head + a + b[:20], want: head + a, torn: true},
		{name: "line without its line feed", in: head + a + b[:len(b)-1], want: head + a, torn: true},
		{name: "zero bytes at the end", in: head + a + zeros, want: head + a, torn: true},
		{name: "zero bytes in between", in: head + a + zeros + b + member, want: head + a + member, damaged: 1},
		{name: "quote without an end", in: head + open + a + b, want: head + a + b, damaged: 1},
		{name: "quote inside a field", in: head + stray + a, want: head + a, damaged: 1},
		{name: "blank line", in: head + "\n" + a, want: head + a, damaged: 1},
		{name: "fields too few", in: head + "2,org_a\n" + a, want: head + a, damaged: 1},
		{name: "torn in the middle", in: head + a[:30] + b + member + quoted, want: head + member + quoted, damaged: 1},
		{name: "status that was emptied", in: head + strings.Replace(a, "added", "", 1) + b, want: head + b, damaged: 1},
		{name: "no line number", in: head + noLine + b, want: head + b, damaged: 1},
		{name: "time in another form", in: head + noTime + b, want: head + noTime + b},
		{name: "in without a user", in: head + noUser + b, want: head + b, damaged: 1},
		{name: "tab", in: head + strings.Replace(a, "auth0|1", "auth0|\t1", 1) + b, want: head + b, damaged: 1},
		{name: "bytes that are no UTF-8", in: head + strings.Replace(a, "auth0|1", "auth0|\xff", 1) + b, want: head + b, damaged: 1},
		{name: "line beyond all measure", in: head + huge + b, want: head + b, damaged: 1},
		{name: "torn header", in: header[:30]},
		{name: "header without its line feed", in: header},
		{name: "torn header with kept columns", in: header + ",ma"},
		{name: "torn header and zero bytes", in: header[:30] + zeros},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j, got := resume(t, tt.in)
			if got != tt.want {
				t.Errorf("kept:\n%.500q\nwant:\n%q", got, tt.want)
			}
			r, err := report.NewReader(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range r.Outcomes() {
				if err != nil {
					t.Fatal(err)
				}
			}
			if r.Damaged != tt.damaged || r.Torn != tt.torn {
				t.Errorf("damaged %d, torn %v; want %d, %v", r.Damaged, r.Torn, tt.damaged, tt.torn)
			}
			if n := max(0, strings.Count(tt.want, "\n")-1); j.Lines() != n {
				t.Errorf("%d lines, want %d", j.Lines(), n)
			}
		})
	}
}

// The column may be somebody's own.
func TestResumeRefusesAStatusOfNobody(t *testing.T) {
	file := header + "\n2,org_a,auth0|1,added,204,,,1,oi-1,2026-03-01T12:00:00Z\n3,org_a,auth0|2,perhaps,204,,,1,oi-1,2026-03-01T12:00:00Z\n"
	_, err := report.Resume(strings.NewReader(file), io.Discard, imports, tenant, nil)
	if bad := new(report.WrongFileError); !errors.As(err, &bad) || bad.Line != 3 || !strings.Contains(bad.Why, `"perhaps"`) {
		t.Errorf("got %+v", err)
	}
}

func TestResumeRefusesWhatIsNoResultsFile(t *testing.T) {
	for name, file := range map[string]string{
		"input":                "org_id,user_id\norg_a,auth0|1\n",
		"input of one line":    "org_id,user_id",
		"other order":          strings.Replace(header, "line,org_id", "org_id,line", 1) + "\n",
		"binary":               "PK\x03\x04\x00\x00\n",
		"quote without an end": "\"line\n",
		"blank first line":     "\n" + header + "\n",
		"one line of returns":  header + "\r2,org_a\r",
		"longer name":          header + "s",
		"compressed":           "\x1f\x8b\x08\x00\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Resume(strings.NewReader(file), io.Discard, imports, tenant, nil)
			if bad := new(report.WrongFileError); !errors.As(err, &bad) || bad.Line != 0 {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestResumeRefusesTheFileOfAnotherTenant(t *testing.T) {
	ours, other := report.RunID("oi", "ACME.eu.auth0.com", ""), report.RunID("oi", "other.eu.auth0.com", "")
	with := func(status importer.Status, correlationID string) importer.Outcome {
		o := outcome(2, "org_a", "auth0|1", status)
		o.CorrelationID = correlationID
		return o
	}
	tests := []struct {
		name string
		o    importer.Outcome
		ok   bool
	}{
		{"same tenant", with(importer.Added, ours+"-17"), true},
		{"other tenant, in", with(importer.Added, other+"-17"), false},
		{"other tenant, failed", with(importer.Failed, other+"-17"), false},
		{"no request", with(importer.Rejected, ""), true},
		{"id of another form", with(importer.Added, "oi-acme-17"), true},
		{"fingerprint with other letters", with(importer.Added, "oi-ABCDEFGH-xyz-1"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := results(t, nil, outcome(1, "org_a", "auth0|0", importer.Added), tt.o)
			_, err := report.Resume(strings.NewReader(file), io.Discard, imports, tenant, nil)
			other := new(report.WrongFileError)
			switch {
			case tt.ok && err != nil:
				t.Error(err)
			case !tt.ok && !errors.As(err, &other):
				t.Errorf("got %v", err)
			case !tt.ok && other.Line != 3:
				t.Errorf("line %d, want 3", other.Line)
			}
		})
	}
}

func TestRunIDFitsIntoACorrelationID(t *testing.T) {
	a, b := report.RunID("oi", tenant, ""), report.RunID("oi", tenant, "")
	if a == b {
		t.Error("two runs have one id")
	}
	if a[:12] != b[:12] || len(a) != 24 || strings.Contains(a, "acme") {
		t.Errorf("got %q and %q", a, b)
	}
	if other := report.RunID("oi", "other.eu.auth0.com", ""); other[:12] == a[:12] {
		t.Errorf("another tenant has the same fingerprint: %q", other)
	}
}

func TestCorrelationIDTellsWhetherMembersWereSkipped(t *testing.T) {
	for range 1000 {
		id := report.RunID("oi", tenant, "name/email/")
		skips := report.Skipping(id)
		if report.SkippedMembers(id+"-1") || !report.SkippedMembers(skips+"-17") || !report.ReadBy(skips+"-17", "name/email/") || len(skips) != len(id) {
			t.Fatalf("%s and %s", id, skips)
		}
	}
	for _, id := range []string{"", "oi-1", "-1"} {
		if report.SkippedMembers(id) {
			t.Errorf("%q is taken for one of ours", id)
		}
	}
}

func TestCorrelationIDTellsHowKeysWereRead(t *testing.T) {
	id := report.RunID("oi", tenant, "name/email/") + "-17"
	for by, want := range map[string]bool{"name/email/": true, "name/username/": false, "": false} {
		if got := report.ReadBy(id, by); got != want {
			t.Errorf("%q: got %v, want %v", by, got, want)
		}
	}
	for _, id := range []string{"", "oi-1", "oi-1-2-3", "oi-0123abcd-abcdefgh-1"} {
		if report.ReadBy(id, "") {
			t.Errorf("%q is taken for one of ours", id)
		}
	}
}

func TestJournalTellsTheLinesThatAreGone(t *testing.T) {
	j, _ := resume(t, results(t, nil,
		outcome(2, "org_a", "auth0|1", importer.Added),
		outcome(3, "org_a", "auth0|2", importer.AlreadyMember),
		outcome(4, "org_a", "auth0|3", importer.Added)))
	for pair, want := range map[[2]string]bool{
		{"org_a", "auth0|1"}:  true,
		{"org_a", "auth0|2"}:  true,
		{"org_b", "auth0|3"}:  false,
		{"org_aa", "uth0|3"}:  false,
		{"org_a", "auth0|1 "}: false,
	} {
		if got := j.Has(importer.Row{OrgID: pair[0], UserID: pair[1]}); got != want {
			t.Errorf("%q is in: %v, want %v", pair, got, want)
		}
	}
	if gone := goneLines(t, j); gone != 1 || j.Lines() != 3 {
		t.Errorf("%d of %d lines are gone, want 1 of 3", gone, j.Lines())
	}
}

// A run that finds nothing left to send names the run that wrote the last line: a page
// of the results takes its summary.
func TestSummaryOfARunThatSentNothing(t *testing.T) {
	j, _ := resume(t, results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added)))
	if run := summarized(t, j).Run; run != "oi-bac52a7c-e3b0cj5aifch" {
		t.Errorf("it names the run %q", run)
	}
}

// goneLines returns how many lines of a journal are of rows that Has was not asked for.
func goneLines(t *testing.T, j *report.Journal) int {
	t.Helper()
	return summarized(t, j).GoneLines
}

// summarized returns the summary of a run that has added nothing to a journal.
func summarized(t *testing.T, j *report.Journal) report.SummaryFile {
	t.Helper()
	var s report.Summary
	s.ContinueFrom(j)
	text, err := json.Marshal(&s)
	var told report.SummaryFile
	if err := errors.Join(err, json.Unmarshal(text, &told)); err != nil {
		t.Fatal(err)
	}
	return told
}

func TestJournalTakesNoPictureForAnID(t *testing.T) {
	j, _ := resume(t, results(t, nil, outcome(2, "org_a", "auth0|\n", importer.Added)))
	if j.Has(importer.Row{OrgID: "org_a", UserID: "auth0|\n"}) {
		t.Error("an id with a line feed is found by its picture")
	}
	if !j.Has(importer.Row{OrgID: "org_a", UserID: "auth0|␊"}) {
		t.Error("the id in the file is not found")
	}
}

// A run may keep further columns: the first e-mail address of a file may be in a
// row that was appended to it. Somebody may have added a column to the results.
func TestResumeKeepsAllColumns(t *testing.T) {
	row := outcome(2, "org_a", "auth0|1", importer.Added)
	row.Row.Kept = []string{"a@x", "b"}
	file := results(t, []string{"mail", "two\nlines"}, row)
	line := strings.TrimSuffix(strings.Split(file, "\n")[1], ",a@x,b")
	for _, tt := range []struct{ kept, header, values string }{
		{"mail|two\nlines", "mail,two␊lines", "a@x,b"},
		{"org|mail|x|two\nlines|y", "org,mail,x,two␊lines,y", ",a@x,,b,"},
		{"mail", "mail,two␊lines", "a@x,b"},
		{"two\nlines|mail", "two␊lines,mail", "b,a@x"},
		{"x|y|z", "x,y,z,mail,two␊lines", ",,,a@x,b"},
	} {
		var w strings.Builder
		j, err := report.Resume(strings.NewReader(file), &w, imports, tenant, strings.Split(tt.kept, "|"))
		if err != nil {
			t.Fatal(err)
		}
		if want := header + "," + tt.header + "\n" + line + "," + tt.values + "\n"; w.String() != want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.kept, w.String(), want)
		}
		if got := strings.Join(j.Kept, ","); got != tt.header {
			t.Errorf("%q: the columns are %s, want %s", tt.kept, got, tt.header)
		}
	}
	if _, err := report.Resume(strings.NewReader(""), io.Discard, imports, tenant, []string{"mail"}); err != nil {
		t.Errorf("a file that starts anew is refused: %v", err)
	}
}

func TestResumePassesErrorsOn(t *testing.T) {
	broken := errors.New("input/output error")
	text := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added))
	for _, cut := range []int{0, 10, len(header) + 5, len(text)} {
		r := &breaking{strings.NewReader(text[:cut]), io.MultiReader(strings.NewReader(text[:cut]), iotest.ErrReader(broken))}
		if _, err := report.Resume(r, io.Discard, imports, tenant, nil); !errors.Is(err, broken) {
			t.Errorf("reading fails after %d bytes: got %v", cut, err)
		}
	}
	w := &file{failAt: 1, err: broken}
	if _, err := report.Resume(strings.NewReader(text), w, imports, tenant, nil); !errors.Is(err, broken) {
		t.Errorf("writing fails: got %v", err)
	}
}

// breaking reads from its second reader, wherever it is sought.
type breaking struct {
	io.Seeker
	io.Reader
}

// anyText draws what may stand in an id, a message or a kept value.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-z0-9|"', \n\r\x00;.-]{0,12}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
	)
}

// sentID draws an id that a row may have which was sent.
func sentID() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-c|"', ;.é日]{1,3}`)
}

func anyOutcome(kept int) *rapid.Generator[importer.Outcome] {
	return rapid.Custom(func(t *rapid.T) importer.Outcome {
		status := rapid.SampledFrom([]importer.Status{
			importer.Added, importer.AlreadyMember, importer.Duplicate, importer.Failed, importer.Rejected,
		}).Draw(t, "status")
		id := anyText()
		if status.Settled() {
			id = sentID()
		}
		o := importer.Outcome{Status: status}
		o.Row = importer.Row{
			Line:   rapid.IntRange(1, 20).Draw(t, "line"),
			OrgID:  id.Draw(t, "org"),
			UserID: id.Draw(t, "user"),
			Kept:   rapid.SliceOfN(anyText(), 0, kept).Draw(t, "kept"),
		}
		o.HTTPStatus = rapid.SampledFrom([]int{0, 204, 400, 404}).Draw(t, "http status")
		o.Code = anyText().Draw(t, "code")
		o.Message = anyText().Draw(t, "message")
		o.Attempts = rapid.IntRange(0, 9).Draw(t, "attempts")
		o.CorrelationID = fmt.Sprint(reporttest.Run, "-", o.Row.Line)
		o.Time = noon.Add(time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "time")))
		return o
	})
}

// Whatever the rows hold and wherever the file is cut, exactly the whole lines that
// count for their row stay.
func TestResumeOfACutFileKeepsItsWholeLines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kept := rapid.SliceOfN(anyText(), 0, 2).Draw(rt, "kept columns")
		outcomes := rapid.SliceOfN(anyOutcome(len(kept)+1), 0, 12).Draw(rt, "outcomes")
		var file bytes.Buffer
		w := report.NewWriter(&file, nil, kept)
		if err := w.WriteHeader(); err != nil {
			rt.Fatal(err)
		}
		headerEnd := file.Len()
		var ends []int // of the line of each outcome
		for i := range outcomes {
			if err := w.Write(outcomes[i : i+1]); err != nil {
				rt.Fatal(err)
			}
			ends = append(ends, file.Len())
		}
		cut := rapid.IntRange(0, file.Len()).Draw(rt, "cut")

		want, seen := model(rt, file.String(), headerEnd, ends, cut)

		var got bytes.Buffer
		j, err := report.Resume(bytes.NewReader(file.Bytes()[:cut]), &got, imports, tenant, nil)
		if err != nil {
			rt.Fatal(err)
		}
		if got.String() != want {
			rt.Fatalf("cut at %d of %q:\nkept %q\nwant %q", cut, file.String(), got.String(), want)
		}
		for _, o := range outcomes {
			if !o.Status.Settled() {
				continue
			}
			if pair := [2]string{o.Row.OrgID, o.Row.UserID}; j.Has(importer.Row{OrgID: pair[0], UserID: pair[1]}) != seen[pair] {
				rt.Fatalf("%q is in: %v", pair, !seen[pair])
			}
		}
	})
}

// model returns what should stay of a file that was cut, and the pairs that are
// in by it.
func model(t *rapid.T, file string, header int, ends []int, cut int) (want string, in map[[2]string]bool) {
	in = map[[2]string]bool{}
	if cut < header {
		return "", in
	}
	type whole struct {
		text, line, status string
		pair               [2]string
	}
	var lines []whole
	start := header
	for _, end := range ends {
		if end > cut {
			break
		}
		f, err := csv.NewReader(strings.NewReader(file[start:end])).Read()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, whole{file[start:end], f[0], f[3], [2]string{f[1], f[2]}})
		start = end
	}
	settled := func(l whole) bool { return importer.Status(l.status).Settled() }
	for _, l := range lines {
		if settled(l) {
			in[l.pair] = true
		}
	}
	want = file[:header]
	for i, l := range lines {
		before, after := lines[:i], lines[i+1:]
		replaced := slices.ContainsFunc(after, func(later whole) bool { return later.line == l.line })
		switch {
		case settled(l):
			replaced = slices.ContainsFunc(before, func(b whole) bool { return settled(b) && b.pair == l.pair })
		case l.status == "failed":
			replaced = in[l.pair] || slices.ContainsFunc(after, func(later whole) bool { return later.status == "failed" && later.pair == l.pair })
		}
		if !replaced {
			want += l.text
		}
	}
	return want, in
}

// checkResume checks what holds for a file of any bytes.
func checkResume(t *testing.T, file []byte) (kept string, ok bool) {
	var first bytes.Buffer
	j, err := report.Resume(bytes.NewReader(file), &first, imports, tenant, nil)
	if err != nil {
		return "", false
	}
	lines := strings.SplitAfter(string(file), "\n")
	for line := range strings.Lines(first.String()) {
		for len(lines) > 0 && lines[0] != line && !isShort(lines[0], line) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			t.Fatalf("kept a line that was not whole: %q", line)
		}
		lines = lines[1:]
	}
	if n := strings.Count(first.String(), "\n"); max(0, n-1) != j.Lines() {
		t.Fatalf("%d lines written, %d counted", n, j.Lines())
	}
	var second bytes.Buffer
	if _, err := report.Resume(bytes.NewReader(first.Bytes()), &second, imports, tenant, nil); err != nil {
		t.Fatalf("refuses its own output: %v", err)
	}
	if second.String() != first.String() {
		t.Fatalf("changes its own output %q to %q", first.String(), second.String())
	}
	return first.String(), true
}

// isShort reports whether a line is whole but for empty values at its end.
func isShort(line, whole string) bool {
	short, err := csv.NewReader(strings.NewReader(line)).Read()
	fields, _ := csv.NewReader(strings.NewReader(whole)).Read()
	return err == nil && len(short) >= 10 && len(short) < len(fields) && slices.Equal(short, fields[:len(short)]) &&
		strings.Join(fields[len(short):], "") == ""
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(header + "\n2,org_a,auth0|1,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z\n"))
	f.Add([]byte(header + ",\"a,\"\"b\"\n2,org_a,\"auth0|1\",failed,400,,x,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z,\"\"\n\x00\x00"))
	f.Add([]byte("\xef\xbb\xbforg_id,user_id\r\n"))
	f.Fuzz(func(t *testing.T, file []byte) { checkResume(t, file) })
}

// A changed byte costs at most its line and the next, which a lost line feed joins
// to it, unless it makes a status of nobody. A cut costs the line that it is in, and those after it.
func FuzzResumeOfADamagedFile(f *testing.F) {
	f.Add(uint16(100), byte('"'), false)
	f.Add(uint16(150), byte(0), true)
	f.Add(uint16(200), byte('\n'), false)
	var rows []importer.Outcome
	for i := range 8 {
		// No one byte makes the id of another row of an id.
		rows = append(rows, outcome(i+2, "org_a", fmt.Sprintf("auth0|%q,%dé", fmt.Sprint(i), i), importer.Added))
	}
	whole := results(f, nil, rows...)
	f.Fuzz(func(t *testing.T, at uint16, to byte, cut bool) {
		i := len(header) + 1 + int(at)%(len(whole)-len(header)-1)
		file := []byte(whole)
		file[i] = to
		if cut {
			file = file[:i]
		}
		got, ok := checkResume(t, file)
		if !ok {
			_, err := report.Resume(bytes.NewReader(file), io.Discard, imports, tenant, nil)
			if bad := new(report.WrongFileError); !errors.As(err, &bad) || bad.Line == 0 {
				t.Fatalf("a results file is refused: %v", err)
			}
			return // the byte made another status, tenant or operation of it, and the line is named
		}
		begin := strings.LastIndex(whole[:i], "\n") + 1
		if !strings.HasPrefix(got, whole[:begin]) {
			t.Fatalf("the lines before byte %d did not stay: %q", i, got)
		}
		if cut {
			return
		}
		_, after, _ := strings.Cut(whole[i:], "\n")
		if whole[i] == '\n' {
			_, after, _ = strings.Cut(after, "\n")
		}
		if !strings.HasSuffix(got, after) {
			t.Fatalf("the lines after byte %d did not stay: %q", i, got)
		}
	})
}

// BenchmarkResume resumes a run of three million rows and reports the most memory
// that the process had:
//
//	go test ./report -run '^$' -bench Resume -benchtime 1x
func BenchmarkResume(b *testing.B) {
	const rows = 3_000_000
	for b.Loop() {
		j, err := report.Resume(&million{rows: rows}, io.Discard, imports, tenant, nil)
		if err != nil || j.Lines() != rows {
			b.Fatal(j, err)
		}
		b.ReportMetric(residentPeakMB(b), "MB-peak")
		runtime.KeepAlive(j)
	}
}

// Seek goes back to the beginning, whatever its arguments.
func (m *million) Seek(int64, int) (int64, error) {
	m.next, m.rest = 0, nil
	return 0, nil
}

// million reads as a results file of rows that are in. It needs next to no memory.
type million struct {
	rows, next int
	rest       []byte
}

func (m *million) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		switch {
		case m.next == 0:
			m.rest = append(m.rest, header+"\n"...)
		case m.next > m.rows:
			return 0, io.EOF
		default:
			m.rest = strconv.AppendInt(m.rest[:0], int64(m.next+1), 10)
			m.rest = append(m.rest, ",org_P0M5j2B0Ffw"...)
			m.rest = strconv.AppendInt(m.rest, int64(100_000+m.next%100_000), 10)
			m.rest = append(m.rest, ",auth0|6410784d38b3e02b"...)
			m.rest = strconv.AppendInt(m.rest, int64(10_000_000+m.next), 10)
			m.rest = append(m.rest, ",added,204,,,1,oi-bac52a7c-abcdefgh-"...)
			m.rest = strconv.AppendInt(m.rest, int64(m.next/10), 10)
			m.rest = append(m.rest, ",2026-03-01T12:00:00Z\n"...)
		}
		m.next++
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// residentPeakMB returns the most memory that this process ever had.
func residentPeakMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("resident memory is known on Linux only")
	}
	var kilobytes float64
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kilobytes); n == 1 {
			return kilobytes / 1024
		}
	}
	b.Skip("no peak of the resident memory is known")
	return 0
}

// A removal has other statuses than an import, and its file is not the import's.
func TestResumeRefusesTheFileOfAnotherOperation(t *testing.T) {
	removes := importer.Op{Name: "remove", Prefix: "or", Done: importer.Removed}
	removed := outcome(3, "org_a", "auth0|2", importer.Removed)
	removed.CorrelationID = report.RunID("or", tenant, "") + "-1"
	failed := removed
	failed.Status = importer.Failed
	added := outcome(2, "org_a", "auth0|1", importer.Added)
	edited := removed
	edited.CorrelationID = report.RunID("oi", tenant, "") + "-1"
	for name, tt := range map[string]struct {
		op   importer.Op
		file string
		line int
	}{
		"removed, by an import":        {imports, results(t, nil, added, removed), 3},
		"failed removal, by an import": {imports, results(t, nil, added, failed), 3},
		"added, by a removal":          {removes, results(t, nil, removed, added), 3},
		"removed, with an import's id": {imports, results(t, nil, added, edited), 3},
		"removed, by a removal":        {removes, results(t, nil, removed, failed), 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Resume(strings.NewReader(tt.file), io.Discard, tt.op, tenant, nil)
			var other *report.WrongFileError
			switch {
			case errors.As(err, &other) && other.Line != tt.line, other == nil && tt.line != 0, other == nil && err != nil:
				t.Errorf("got %v, want line %d refused", err, tt.line)
			}
		})
	}
}

// What may have been done and must not be done twice is settled. A request under way
// when the run was killed is not.
func TestJournalOfAnOperationThatIsDoneAtMostOnce(t *testing.T) {
	invites := importer.Op{Name: "invite", Prefix: "ov", Done: importer.Invited, Already: importer.AlreadyInvited}
	row := func(line int, user string, status importer.Status, code string) importer.Outcome {
		o := outcome(line, "org_a", user, status)
		o.Code, o.CorrelationID = code, "ov"+reporttest.Run[2:]+"-1"
		return o
	}
	file := results(t, nil,
		row(2, "ann", importer.Sending, ""), row(2, "ann", importer.Invited, ""),
		row(3, "bob", importer.Sending, ""), row(3, "bob", importer.Failed, importer.CodeUnknownOutcome),
		row(4, "cyd", importer.Failed, "invalid_body"), row(4, "cyd", importer.Sending, ""))
	var kept strings.Builder
	j, err := report.Resume(strings.NewReader(file), &kept, invites, tenant, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(kept.String()), "line status|2 invited|3 failed|4 sending"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	for user, has := range map[string]bool{"ann": true, "bob": true, "cyd": false, "dan": false} {
		r := importer.Row{OrgID: "org_a", UserID: user}
		if failed := j.Late(r) == 1; j.Has(r) != has || failed != (user == "cyd") {
			t.Errorf("%s: done %v, failed %v", user, !has, failed)
		}
	}
	if gone := goneLines(t, j); j.Settled() != 1 || gone != 0 {
		t.Errorf("%d settled, %d gone; want 1, 0", j.Settled(), gone)
	}
}

// The columns of an operation are part of what makes two rows the same.
func TestJournalComparesTheColumnsOfTheOperation(t *testing.T) {
	roles := importer.Op{Name: "roles", Prefix: "oa", Done: importer.Assigned, Args: []string{"roles"},
		Key: func(r importer.Row) string { return importer.PairKey(r) + r.Args[0] }}
	o := outcome(2, "org_a", "auth0|1", importer.Assigned)
	o.CorrelationID, o.Row.Args, o.Row.Kept = "oa"+reporttest.Run[2:]+"-1", []string{"rol_a"}, []string{"x"}
	var file bytes.Buffer
	w := report.NewWriter(&file, roles.Args, []string{"note"})
	if err := errors.Join(w.WriteHeader(), w.Write([]importer.Outcome{o})); err != nil {
		t.Fatal(err)
	}
	j, err := report.Resume(bytes.NewReader(file.Bytes()), io.Discard, roles, tenant, []string{"note"})
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string]bool{"rol_a": true, "rol_b": false} {
		if got := j.Has(importer.Row{OrgID: "org_a", UserID: "auth0|1", Args: []string{role}}); got != want {
			t.Errorf("%s: %v, want %v", role, got, want)
		}
	}
	bad := new(report.WrongFileError)
	if _, err := report.Resume(strings.NewReader(results(t, nil)), io.Discard, roles, tenant, nil); !errors.As(err, &bad) || !strings.Contains(bad.Why, `no column "roles"`) {
		t.Errorf("a file without the column: got %v", err)
	}
}

// No correlation id of such a file says which operation wrote it.
func TestCompactKeepsMembersOfARunWithoutARequest(t *testing.T) {
	member := outcome(2, "org_a", "auth0|1", importer.AlreadyMember)
	member.Attempts, member.CorrelationID = 0, ""
	file := results(t, nil, member)
	for _, first := range []int{0, 1} {
		var kept strings.Builder
		if err := report.Compact(strings.NewReader(file), &kept, imports, tenant, first); err != nil || kept.String() != file {
			t.Errorf("of %d lines: kept %q: %v", first, kept.String(), err)
		}
	}
}

// What is left to do stays in the file until a run comes to its end without it.
func TestCompactDropsWhatWasToldAnew(t *testing.T) {
	before := results(t, nil,
		outcome(2, "org_a", "auth0|1", importer.Added),
		outcome(3, "org_a", "auth0|2", importer.Failed),
		outcome(4, "org_a", "auth0|3", importer.Failed),
		outcome(5, "", "auth0|4", importer.Rejected))
	file := before + strings.TrimPrefix(results(t, nil, outcome(4, "org_a", "auth0|3", importer.Failed)), header+"\n")
	for first, want := range map[int]string{
		0: "line status|2 added|3 failed|5 rejected|4 failed", // stopped
		5: "line status|2 added|4 failed",                     // came to its end
	} {
		var kept, failures strings.Builder
		if err := report.Compact(strings.NewReader(file), &kept, imports, tenant, first); err != nil {
			t.Fatal(err)
		}
		if got := statuses(kept.String()); got != want {
			t.Errorf("of %d lines: kept %s, want %s", first, got, want)
		}
		if err := report.Failures(strings.NewReader(kept.String()), &failures); err != nil {
			t.Fatal(err)
		}
		if got, want := statuses(failures.String()), strings.Replace(want, "line status|2 added|", "", 1); got != want {
			t.Errorf("of %d lines: failures %s, want %s", first, got, want)
		}
	}
}

// Rows that were not attempted come first, then those that failed, and last all of
// an organization that did not answer.
func TestLateRows(t *testing.T) {
	lost := outcome(3, "org_b", "auth0|1", importer.Failed)
	lost.HTTPStatus = 0
	var file strings.Builder
	w := report.NewWriter(&file, nil, nil)
	if err := errors.Join(w.WriteHeader(), w.Write([]importer.Outcome{outcome(2, "org_a", "auth0|1", importer.Failed), lost})); err != nil {
		t.Fatal(err)
	}
	j, err := report.Resume(strings.NewReader(file.String()), io.Discard, imports, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		org, user string
		want      int
	}{{"org_a", "auth0|2", 0}, {"org_a", "auth0|1", 1}, {"org_b", "auth0|1", 2}, {"org_b", "auth0|2", 2}} {
		if got := j.Late(importer.Row{OrgID: tt.org, UserID: tt.user}); got != tt.want {
			t.Errorf("%s in %s: %d, want %d", tt.user, tt.org, got, tt.want)
		}
	}
}
