package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
	"orgimport/report/internal/reporttest"
)

// rows reads file as the input of a run.
func rows(t *testing.T, file string) []importer.Row {
	t.Helper()
	table, err := csvfile.Open(strings.NewReader(file), csvfile.Dialect{Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	var all []importer.Row
	for row, err := range table.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func TestFailuresAreAnInput(t *testing.T) {
	failed := outcome(7, "org_a", `ad|CORP\jane "jd" doe, 2`, importer.Failed)
	failed.Row.Kept = []string{"two\nlines", "x"}
	got := rows(t, results(t, []string{"note", "team"}, failed, outcome(8, "org_a", "", importer.Rejected)))
	if len(got) != 2 {
		t.Fatalf("%d rows, want 2", len(got))
	}
	if r := got[0]; r.Err != nil || r.OrgID != failed.Row.OrgID || r.UserID != failed.Row.UserID {
		t.Errorf("the failed row is read as %+v", r)
	}
	if r := got[0]; len(r.Kept) != 2 || r.Kept[0] != "two␊lines" || r.Kept[1] != "x" {
		t.Errorf("its kept columns are read as %q", r.Kept)
	}
	if got[1].Err == nil {
		t.Errorf("the rejected row is read as %+v", got[1])
	}
}

func TestResultsAreAnInputInWhichRowsThatAreInStay(t *testing.T) {
	got := rows(t, results(t, nil,
		outcome(2, "org_a", "auth0|1", importer.Added),
		outcome(3, "org_a", "auth0|1", importer.Duplicate),
		outcome(4, "org_a", "auth0|2", importer.Failed)))
	want := []importer.Status{importer.AlreadyMember, importer.Duplicate, ""}
	for i, row := range got {
		var settled *importer.Decided
		if errors.As(row.Err, &settled) != (want[i] != "") || settled != nil && settled.Status != want[i] {
			t.Errorf("row %d is read as %+v", i, row)
		}
	}
}

// A resumed run leaves one line for each row, whatever became of the row before.
func TestResumedRunLeavesOneLineForEachRow(t *testing.T) {
	input := "org_id,user_id\norg_a,auth0|1\norg_a,auth0|2\norg_a,auth0|1\n,auth0|3\norg_b,auth0|1\n"
	before := results(t, nil,
		outcome(2, "org_a", "auth0|1", importer.Added),
		outcome(3, "org_a", "auth0|2", importer.Failed),
		outcome(4, "org_a", "auth0|1", importer.Duplicate),
		outcome(5, "", "auth0|3", importer.Rejected)) + "6,org_b,aut"

	var file strings.Builder
	journal, err := report.Resume(strings.NewReader(before), &file, imports, tenant, nil)
	if err != nil {
		t.Fatal(err)
	}
	table, err := csvfile.Open(strings.NewReader(input), csvfile.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	w := report.NewWriter(&file, nil, nil)
	summary := &report.Summary{}
	summary.ContinueFrom(journal)
	for row, err := range importer.Skip(importer.Distinct(table.Rows(), importer.PairKey), journal.Has) {
		if err != nil {
			t.Fatal(err)
		}
		o := outcome(row.Line, row.OrgID, row.UserID, importer.Added)
		var settled *importer.Decided
		switch {
		case errors.As(row.Err, &settled):
			o = outcome(row.Line, row.OrgID, row.UserID, settled.Status)
		case row.Err != nil:
			o = outcome(row.Line, row.OrgID, row.UserID, importer.Rejected)
		}
		if err := w.Write([]importer.Outcome{o}); err != nil {
			t.Fatal(err)
		}
		summary.Add([]importer.Outcome{o})
	}

	want := "line status|2 added|3 failed|4 duplicate|5 rejected|3 added|4 duplicate|5 rejected|6 added"
	if got := statuses(file.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var compact strings.Builder
	if err := report.Compact(strings.NewReader(file.String()), &compact, imports, tenant, 5); err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(compact.String()), "line status|2 added|3 added|4 duplicate|5 rejected|6 added"; got != want {
		t.Errorf("at the end: got  %s\nwant %s", got, want)
	}
	if got, _, _ := strings.Cut(summary.String(), "\n"); got != "5 rows = 3 added + 1 duplicate + 1 rejected" {
		t.Errorf("the totals are %q", got)
	}
}

// statuses returns the input line and the status of each line of a file.
func statuses(file string) string {
	var lines []string
	for line := range strings.Lines(file) {
		f := strings.Split(line, ",")
		lines = append(lines, f[0]+" "+f[3])
	}
	return strings.Join(lines, "|")
}

// ops are operations as package auth0 has them.
var ops = []importer.Op{
	imports,
	{Name: "remove", Prefix: "or", Done: importer.Removed},
	{Name: "roles", Prefix: "oa", Done: importer.Assigned, Already: importer.AlreadyAssigned, Args: []string{"roles"},
		Key: func(r importer.Row) string { return importer.PairKey(r) + " " + strings.Join(r.Args, " ") }},
	{Name: "invite", Prefix: "ov", Done: importer.Invited, Already: importer.AlreadyInvited, Args: []string{"email"},
		Key: func(r importer.Row) string {
			return importer.PairKey(importer.Row{OrgID: r.OrgID, UserID: strings.Join(r.Args, " ")})
		}},
}

// Whatever becomes of a row, the line that is written of it can be resumed from,
// compacted and read as an input, by every operation and after any kind of refusal.
func TestALineThatIsWrittenCanBeResumed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		op := rapid.SampledFrom(ops).Draw(rt, "operation")
		run := op.Prefix + reporttest.Run[2:]
		var statuses []importer.Status
		for _, s := range importer.Statuses() {
			if !s.Settled || s.Claim == op.Done.Claim() {
				statuses = append(statuses, s.Status)
			}
		}
		var file bytes.Buffer
		w := report.NewWriter(&file, op.Args, []string{"note"})
		if err := w.WriteHeader(); err != nil {
			rt.Fatal(err)
		}
		var settled []importer.Row
		n := rapid.IntRange(1, 12).Draw(rt, "rows")
		for i := range n {
			o := importer.Outcome{Status: rapid.SampledFrom(statuses).Draw(rt, "status")}
			id := anyText()
			if o.Status.Settled() || o.Status == importer.Sending {
				id = sentID()
			}
			o.Row = importer.Row{Line: i + 2, OrgID: id.Draw(rt, "org"), Kept: []string{anyText().Draw(rt, "note")}}
			if len(op.Args) > 0 {
				o.Row.Args = []string{id.Draw(rt, "argument")}
			}
			if !o.Status.NoUser() || op.Name != "invite" {
				o.Row.UserID = id.Draw(rt, "user")
			}
			o.HTTPStatus = rapid.SampledFrom([]int{0, 204, 400, 401, 403, 404, 409, 429, 503}).Draw(rt, "http status")
			o.Code = rapid.OneOf(rapid.SampledFrom([]string{
				"", importer.CodeUnknownOutcome, importer.CodeRowUnreadable, importer.CodeUnknownOrigin, importer.CodeUserNotFound,
			}), anyText()).Draw(rt, "code")
			o.Message, o.Attempts, o.Time = anyText().Draw(rt, "message"), rapid.IntRange(0, 9).Draw(rt, "attempts"), noon
			if o.Status.Settled() || o.Status == importer.Sending || rapid.Bool().Draw(rt, "has an id") {
				o.CorrelationID = fmt.Sprint(run, "-", i)
			}
			if o.Status.Settled() {
				settled = append(settled, o.Row)
			}
			if err := w.Write([]importer.Outcome{o}); err != nil {
				rt.Fatal(err)
			}
		}

		var resumed, compact bytes.Buffer
		journal, err := report.Resume(bytes.NewReader(file.Bytes()), &resumed, op, tenant, []string{"note"})
		if err != nil {
			rt.Fatal(err)
		}
		for _, row := range settled {
			if !journal.Done(row) {
				rt.Errorf("%+v is not done", row)
			}
		}
		if err := report.Compact(bytes.NewReader(resumed.Bytes()), &compact, op, tenant, 0); err != nil {
			rt.Fatal(err)
		}
		if compact.String() != resumed.String() {
			rt.Errorf("compact %q, resumed %q", compact.String(), resumed.String())
		}
		if ours, err := csvfile.IsResults(bytes.NewReader(compact.Bytes()), csvfile.Dialect{}); err != nil || !ours {
			rt.Errorf("as an input: %v, %v", ours, err)
		}
		table, err := csvfile.Open(bytes.NewReader(compact.Bytes()), csvfile.Dialect{})
		if err != nil {
			rt.Fatal(err)
		}
		rows := 0
		for _, err := range table.Rows() {
			if err != nil {
				rt.Fatal(err)
			}
			rows++
		}
		if rows != journal.Lines() {
			rt.Errorf("%d rows of %d lines", rows, journal.Lines())
		}
	})
}

// Results are read as they were written, whatever program has saved them since: with
// another delimiter, encoding, line ends and quotes, with columns of its own, and
// without the empty values at the end of a row. An importer settles the same rows.
func TestSavedResultsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const kept = "kept"
		text := rapid.SampledFrom([]string{"", "a", "x;y", "1,5", `"quoted"`, "ü", "tab\there"})
		var written []importer.Outcome
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			o := outcome(i+2, "org_a", fmt.Sprint("auth0|", i), rapid.SampledFrom([]importer.Status{importer.Added, importer.AlreadyMember, importer.Failed}).Draw(t, "status"))
			o.Message, o.Row.Kept = text.Draw(t, "message"), []string{text.Draw(t, kept)}
			written = append(written, o)
		}
		var file bytes.Buffer
		w := report.NewWriter(&file, nil, []string{kept})
		if err := errors.Join(w.WriteHeader(), w.Write(written)); err != nil {
			t.Fatal(err)
		}
		saved := saveAgain(t, file.Bytes())
		read := func(file []byte) (all []importer.Outcome) {
			text, err := csvfile.OpenResults(bytes.NewReader(file))
			if err != nil {
				t.Fatalf("%v: %q", err, file)
			}
			r, err := report.NewReader(text)
			if err != nil {
				t.Fatalf("%v: %q", err, file)
			}
			for o, err := range r.Outcomes() {
				if err != nil {
					t.Fatalf("%v: %q", err, file)
				}
				o.Row.Kept = o.Row.Kept[len(o.Row.Kept)-1:] // what stood in front is the program's
				o.Message = strings.TrimSpace(o.Message)
				all = append(all, o)
			}
			if r.Damaged > 0 || r.Torn {
				t.Fatalf("%d lines damaged, torn: %v: %q", r.Damaged, r.Torn, file)
			}
			return all
		}
		if want, got := read(file.Bytes()), read(saved); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q is read as\n%v\nwant\n%v", saved, got, want)
		}
		if ours, err := csvfile.IsResults(bytes.NewReader(saved), csvfile.Dialect{}); !ours || err != nil {
			t.Fatalf("%q: %v, %v", saved, ours, err)
		}
	})
}

// saveAgain saves a CSV file as some program does.
func saveAgain(t *rapid.T, file []byte) []byte {
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	comma := rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter")
	end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end")
	own, upper := rapid.Bool().Draw(t, "a column in front"), rapid.Bool().Draw(t, "capitals")
	short, quoted := rapid.Bool().Draw(t, "without empty values at the end"), rapid.Bool().Draw(t, "quotes")
	var b strings.Builder
	if rapid.Bool().Draw(t, "sep") {
		b.WriteString("sep=" + comma + end)
	}
	for i, record := range records {
		if upper && i == 0 {
			for k, name := range record[:10] {
				record[k] = strings.ToUpper(strings.ReplaceAll(name, "_", " "))
			}
		}
		if upper && i > 0 {
			record[3] = strings.ToUpper(record[3])
		}
		if own {
			record = append([]string{"note"}, record...)
		}
		for short && record[len(record)-1] == "" {
			record = record[:len(record)-1]
		}
		for k, value := range record {
			if quoted || strings.ContainsAny(value, "\",;|\t") {
				record[k] = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
			}
		}
		b.WriteString(strings.Join(record, comma) + end)
	}
	text := b.String()
	if end == "\r\n" && !short && rapid.Bool().Draw(t, "no last line end") {
		text = strings.TrimSuffix(text, end)
	}
	switch rapid.SampledFrom([]string{"", "mark", "UTF-16"}).Draw(t, "encoding") {
	case "mark":
		text = "\uFEFF" + text
	case "UTF-16":
		units := []byte{0xFF, 0xFE}
		for _, u := range utf16.Encode([]rune(text)) {
			units = append(units, byte(u), byte(u>>8))
		}
		return units
	}
	return []byte(text)
}
