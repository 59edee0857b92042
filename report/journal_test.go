package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/report"
)

const tenant = "acme.eu.auth0.com"

// resume resumes from file and returns what stays of it.
func resume(t testing.TB, file string) (*report.Journal, string) {
	t.Helper()
	var w bytes.Buffer
	j, err := report.Resume(strings.NewReader(file), &w, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return j, w.String()
}

func TestResumeKeepsWhatIsIn(t *testing.T) {
	const (
		a       = "2,org_a,auth0|1,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		b       = "3,org_a,auth0|2,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		member  = "4,org_a,auth0|3,already_member,,,,0,,2026-03-01T12:00:00Z\n"
		again   = "9,org_a,auth0|1,already_member,409,,,1,req-7,2026-03-01T12:00:00Z\n"
		quoted  = "5,org_a,\"auth0|a \"\"b\"\", c\",added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		failed  = "6,org_a,auth0|6,failed,400,invalid_body,\"no, such\",1,req-1,2026-03-01T12:00:00Z\n"
		reject  = "7,,,rejected,,,the user is empty,0,,2026-03-01T12:00:00Z\n"
		dup     = "8,org_a,auth0|1,duplicate,,,same pair as line 2,0,,2026-03-01T12:00:00Z\n"
		crlf    = "2,org_a,auth0|1,added,204,,,1,req-1,2026-03-01T12:00:00Z\r\n"
		noUser  = "2,org_a,,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		noLine  = "x,org_a,auth0|1,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		noTime  = "2,org_a,auth0|1,added,204,,,1,req-1,2026-03-\n"
		unknown = "2,org_a,auth0|1,perhaps,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		open    = "2,org_a,\"auth0|1,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		stray   = "2,org_a,auth0|\"1,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"
		head    = header + "\n"
	)
	zeros := strings.Repeat("\x00", 4096)
	huge := strings.Repeat("x", 20<<20) + "\n"
	tests := []struct {
		name             string
		in, want         string
		dropped, damaged int
		torn             bool
	}{
		{name: "nothing at all"},
		{name: "header alone", in: head, want: head},
		{name: "rows that are in", in: head + a + b + member, want: head + a + b + member},
		{name: "quotes and commas", in: head + quoted + a, want: head + quoted + a},
		{name: "carriage returns of an editor", in: header + "\r\n" + crlf, want: header + "\r\n" + crlf},
		{name: "rows told anew", in: head + failed + a + reject + dup, want: head + a, dropped: 3},
		{name: "same pair twice", in: head + a + b + a + again, want: head + a + b, dropped: 2},
		{name: "same pair, member first", in: head + again + a, want: head + again, dropped: 1},
		{name: "torn line", in: head + a + b[:20], want: head + a, torn: true},
		{name: "line without its line feed", in: head + a + b[:len(b)-1], want: head + a, torn: true},
		{name: "zero bytes at the end", in: head + a + zeros, want: head + a, torn: true},
		{name: "zero bytes in between", in: head + a + zeros + b + member, want: head + a + member, damaged: 1},
		{name: "quote without an end", in: head + open + a + b, want: head + a + b, damaged: 1},
		{name: "quote inside a field", in: head + stray + a, want: head + a, damaged: 1},
		{name: "blank line", in: head + "\n" + a, want: head + a, damaged: 1},
		{name: "fields too few", in: head + "2,org_a\n" + a, want: head + a, damaged: 1},
		{name: "torn in the middle", in: head + a[:30] + b + member, want: head + member, damaged: 1},
		{name: "status nobody knows", in: head + unknown + b, want: head + b, damaged: 1},
		{name: "no line number", in: head + noLine + b, want: head + b, damaged: 1},
		{name: "torn timestamp", in: head + noTime + b, want: head + b, damaged: 1},
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
			if j.Dropped != tt.dropped || j.Damaged != tt.damaged || j.Torn != tt.torn {
				t.Errorf("dropped %d, damaged %d, torn %v; want %d, %d, %v",
					j.Dropped, j.Damaged, j.Torn, tt.dropped, tt.damaged, tt.torn)
			}
			if j.Header != (tt.want != "") {
				t.Errorf("header found: %v", j.Header)
			}
			if n := max(0, strings.Count(tt.want, "\n")-1); j.Lines() != n {
				t.Errorf("%d lines, want %d", j.Lines(), n)
			}
		})
	}
}

func TestResumeRefusesWhatIsNoResultsFile(t *testing.T) {
	for name, file := range map[string]string{
		"input":                "org_id,user_id\norg_a,auth0|1\n",
		"input of one line":    "org_id,user_id",
		"other order":          strings.Replace(header, "line,org_id", "org_id,line", 1) + "\n",
		"byte order mark":      "\ufeff" + header + "\n",
		"binary":               "PK\x03\x04\x00\x00\n",
		"quote without an end": "\"line\n",
		"blank first line":     "\n" + header + "\n",
		"one line of returns":  header + "\r2,org_a\r",
		"longer name":          header + "s",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Resume(strings.NewReader(file), io.Discard, tenant)
			if bad := new(report.HeaderError); !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestResumeRefusesTheFileOfAnotherTenant(t *testing.T) {
	ours, other := report.RunID("ACME.eu.auth0.com"), report.RunID("other.eu.auth0.com")
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
			_, err := report.Resume(strings.NewReader(file), io.Discard, tenant)
			other := new(report.OtherTenantError)
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
	a, b := report.RunID(tenant), report.RunID(tenant)
	if a == b {
		t.Error("two runs have one id")
	}
	if a[:12] != b[:12] || len(a) != 20 || strings.Contains(a, "acme") {
		t.Errorf("got %q and %q", a, b)
	}
	if other := report.RunID("other.eu.auth0.com"); other[:12] == a[:12] {
		t.Errorf("another tenant has the same fingerprint: %q", other)
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
		if got := j.In(importer.Row{OrgID: pair[0], UserID: pair[1]}); got != want {
			t.Errorf("%q is in: %v, want %v", pair, got, want)
		}
	}
	if j.Gone() != 1 || j.Lines() != 3 {
		t.Errorf("%d of %d lines are gone, want 1 of 3", j.Gone(), j.Lines())
	}
}

func TestJournalTakesNoPictureForAnID(t *testing.T) {
	j, _ := resume(t, results(t, nil, outcome(2, "org_a", "auth0|\n", importer.Added)))
	if j.In(importer.Row{OrgID: "org_a", UserID: "auth0|\n"}) {
		t.Error("an id with a line feed is found by its picture")
	}
	if !j.In(importer.Row{OrgID: "org_a", UserID: "auth0|␊"}) {
		t.Error("the id as it stands in the file is not found")
	}
}

func TestJournalComparesKeptColumns(t *testing.T) {
	j, _ := resume(t, results(t, []string{"mail", "two\nlines"}))
	if err := j.CheckKept([]string{"mail", "two\nlines"}); err != nil {
		t.Error(err)
	}
	bad := new(report.HeaderError)
	if err := j.CheckKept([]string{"mail"}); !errors.As(err, &bad) || !strings.Contains(err.Error(), `["mail" "two␊lines"]`) {
		t.Errorf("got %v", err)
	}
	anew, _ := resume(t, "")
	if err := anew.CheckKept([]string{"mail"}); err != nil {
		t.Errorf("a file that starts anew is refused: %v", err)
	}
}

func TestResumePassesErrorsOn(t *testing.T) {
	broken := errors.New("input/output error")
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added))
	for _, cut := range []int{0, 10, len(header) + 5, len(file)} {
		r := io.MultiReader(strings.NewReader(file[:cut]), iotest.ErrReader(broken))
		if _, err := report.Resume(r, io.Discard, tenant); !errors.Is(err, broken) {
			t.Errorf("reading fails after %d bytes: got %v", cut, err)
		}
	}
	w := &failing{err: broken}
	if _, err := report.Resume(strings.NewReader(file), w, tenant); !errors.Is(err, broken) {
		t.Errorf("writing fails: got %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Write([]byte) (int, error) { return 0, f.err }

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
			Line:   rapid.IntRange(1, 1<<30).Draw(t, "line"),
			OrgID:  id.Draw(t, "org"),
			UserID: id.Draw(t, "user"),
			Kept:   rapid.SliceOfN(anyText(), 0, kept).Draw(t, "kept"),
		}
		o.HTTPStatus = rapid.SampledFrom([]int{0, 204, 400, 404}).Draw(t, "http status")
		o.Code = anyText().Draw(t, "code")
		o.Message = anyText().Draw(t, "message")
		o.Attempts = rapid.IntRange(0, 9).Draw(t, "attempts")
		o.CorrelationID = "req-" + fmt.Sprint(o.Row.Line)
		o.Time = noon.Add(time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "time")))
		return o
	})
}

// Whatever the rows hold and wherever the file is cut, exactly the whole lines
// of rows that are in come back, each pair once.
func TestResumeOfACutFileKeepsItsWholeLines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kept := rapid.SliceOfN(anyText(), 0, 2).Draw(rt, "kept columns")
		outcomes := rapid.SliceOfN(anyOutcome(len(kept)+1), 0, 12).Draw(rt, "outcomes")
		var file bytes.Buffer
		w := report.NewWriter(&file, kept)
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

		want, seen := "", map[[2]string]bool{}
		if cut >= headerEnd {
			want = file.String()[:headerEnd]
		}
		start := headerEnd
		for i, o := range outcomes {
			pair := [2]string{o.Row.OrgID, o.Row.UserID}
			if ends[i] <= cut && o.Status.Settled() && !seen[pair] {
				want += file.String()[start:ends[i]]
				seen[pair] = true
			}
			start = ends[i]
		}

		var got bytes.Buffer
		j, err := report.Resume(bytes.NewReader(file.Bytes()[:cut]), &got, tenant)
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
			if pair := [2]string{o.Row.OrgID, o.Row.UserID}; j.In(importer.Row{OrgID: pair[0], UserID: pair[1]}) != seen[pair] {
				rt.Fatalf("%q is in: %v", pair, !seen[pair])
			}
		}
	})
}

// checkResume checks what holds for the results file of any bytes.
func checkResume(t *testing.T, file []byte) (kept string, ok bool) {
	var first bytes.Buffer
	j, err := report.Resume(bytes.NewReader(file), &first, tenant)
	if err != nil {
		return "", false
	}
	lines := strings.SplitAfter(string(file), "\n")
	for line := range strings.Lines(first.String()) {
		for len(lines) > 0 && lines[0] != line {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			t.Fatalf("kept a line that was not whole: %q", line)
		}
		lines = lines[1:]
	}
	if n := strings.Count(first.String(), "\n"); j.Header && n != j.Lines()+1 || !j.Header && n != 0 {
		t.Fatalf("%d lines written, %d counted", n, j.Lines())
	}
	var second bytes.Buffer
	again, err := report.Resume(bytes.NewReader(first.Bytes()), &second, tenant)
	if err != nil {
		t.Fatalf("refuses its own output: %v", err)
	}
	if second.String() != first.String() || again.Dropped+again.Damaged > 0 || again.Torn {
		t.Fatalf("changes its own output %q to %q", first.String(), second.String())
	}
	return first.String(), true
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(header + "\n2,org_a,auth0|1,added,204,,,1,req-1,2026-03-01T12:00:00Z\n"))
	f.Add([]byte(header + ",\"a,\"\"b\"\n2,org_a,\"auth0|1\",failed,400,,x,1,req-1,2026-03-01T12:00:00Z,\"\"\n\x00\x00"))
	f.Add([]byte("\xef\xbb\xbforg_id,user_id\r\n"))
	f.Fuzz(func(t *testing.T, file []byte) { checkResume(t, file) })
}

// A byte that changes, or all the bytes from there on that are lost, costs at
// most its line and the one after it, which a lost line feed joins to it.
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
			t.Fatal("a results file is refused")
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

// BenchmarkResume goes on with a run of three million rows and reports what the
// whole process holds then:
//
//	go test ./report -run '^$' -bench Resume -benchtime 1x
func BenchmarkResume(b *testing.B) {
	const rows = 3_000_000
	for b.Loop() {
		j, err := report.Resume(&million{rows: rows}, io.Discard, tenant)
		if err != nil || j.Lines() != rows {
			b.Fatal(j, err)
		}
		b.ReportMetric(residentPeakMB(b), "MB-peak")
		runtime.KeepAlive(j)
	}
}

// million reads as the results file of so many rows that are in, and costs next
// to nothing itself.
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
			m.rest = append(m.rest, ",added,204,,,1,req-9c1b2f6a-abcdefgh-"...)
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
