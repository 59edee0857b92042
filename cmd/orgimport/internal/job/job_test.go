package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
	"orgimport/report"
)

// folder is the folder of a test's jobs. The operation adds rows, except if the
// user contains bad.
type folder struct {
	*testing.T
	dir    string
	sink   SinkConfig
	source Config
	sent   []string
}

func newFolder(t *testing.T, lines ...string) *folder {
	f := &folder{T: t, dir: t.TempDir()}
	f.source = Config{
		Path: f.path("members.csv"), Results: f.path("results.csv"), Tenant: "acme.example",
		Log: slog.New(slog.DiscardHandler), Dialect: csvfile.Dialect{},
	}
	f.source.Op = importer.Op{Name: "import", Prefix: "oi", Size: 10, Done: importer.Added, Already: importer.AlreadyMember, Send: f.send}
	f.sink = SinkConfig{InFlight: func() int { return 1 }}
	f.put("members.csv", append([]string{"org_id,user_id"}, lines...)...)
	return f
}

var runID = report.RunID("oi", "acme.example", csvfile.Dialect{}.By())

func (f *folder) send(_ context.Context, b importer.Batch) (importer.Receipt, error) {
	for _, row := range b.Rows {
		if strings.Contains(row.UserID, "bad") {
			return importer.Receipt{HTTPStatus: 400, Attempts: 1, CorrelationID: runID + "-2"}, &auth0.Error{Status: 400, Message: "no such user"}
		}
	}
	for _, row := range b.Rows {
		f.sent = append(f.sent, row.UserID)
	}
	return importer.Receipt{HTTPStatus: 204, Attempts: 1, CorrelationID: runID + "-1"}, nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) put(name string, lines ...string) {
	f.Helper()
	if err := os.WriteFile(f.path(name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) read(name string) string {
	f.Helper()
	content, err := os.ReadFile(f.path(name))
	if err != nil {
		f.Fatal(err)
	}
	return string(content)
}

// open opens the source and the sink of a job.
func (f *folder) open() (*Source, *Sink) {
	f.Helper()
	src, err := Open(f.Context(), f.source)
	if err != nil {
		f.Fatal(err)
	}
	out, err := Create(f.sink, src)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { out.Close(); src.Close() })
	return src, out
}

// run runs a job.
func (f *folder) run() (*Sink, error) {
	f.Helper()
	src, out := f.open()
	return out, Run(f.Context(), src, out, 1)
}

// A last line without a line break may be half written. It is sent after all
// others, if the input is unchanged.
func TestRunHoldsTheEndOfAnInputThatIsBeingWritten(t *testing.T) {
	f := newFolder(t)
	write := func(flags int, text string) {
		file, err := os.OpenFile(f.path("members.csv"), os.O_WRONLY|flags, 0o600)
		if err == nil {
			_, err = file.WriteString(text)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Error(err)
		}
	}
	const cut = "org_id,user_id\norg_a,auth0|21\norg_a,auth0|22\norg_a,auth0|2"
	write(os.O_TRUNC, cut)
	if _, err := f.run(); err != nil || strings.Join(f.sent, " ") != "auth0|21 auth0|22 auth0|2" {
		t.Errorf("of an input that nobody writes, %q were sent: %v", f.sent, err)
	}

	f = newFolder(t)
	write(os.O_TRUNC, cut)
	send := f.source.Op.Send
	f.source.Op.Send = func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		if len(f.sent) == 0 {
			write(os.O_APPEND, "3\n")
		}
		return send(ctx, b)
	}
	_, err := f.run()
	isReason(t, err, InputChanged)
	if strings.Join(f.sent, " ") != "auth0|21 auth0|22" {
		t.Errorf("%q were sent", f.sent)
	}
	f.source.Resume = true
	if _, err := f.run(); err != nil || strings.Join(f.sent, " ") != "auth0|21 auth0|22 auth0|23" {
		t.Errorf("with the rest, %q were sent: %v", f.sent, err)
	}
}

// isReason fails the test unless err has that reason.
func isReason(t *testing.T, err error, want Reason) {
	t.Helper()
	if why, ok := errors.AsType[*Error](err); !ok || why.Reason != want {
		t.Errorf("the error is %v, not of reason %d", err, want)
	}
}

func TestRunLeavesALineForEachRow(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1", "org_a,auth0|1", "org_a,bad", "org_b,")
	f.sink.Extracts = []*Extract{
		NewExtract(files.Named("--failures", f.path("failures.csv")), ResultsHead, report.Failures),
		NewExtract(files.Named("--bare", f.path("bare.csv")), nil, report.Failures),
	}
	out, err := f.run()
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := strings.Cut(out.Summary.String(), "\n"); got != "4 rows = 1 added + 1 duplicate + 1 failed + 1 rejected" {
		t.Errorf("the summary is %q", got)
	}
	if results, failures := f.read("results.csv"), f.read("failures.csv"); strings.Count(results, "\n") != 5 || strings.Count(failures, "\n") != 3 {
		t.Errorf("the results are\n%sand the failures\n%s", results, failures)
	} else if _, rows, _ := strings.Cut(failures, "\n"); f.read("bare.csv") != rows {
		t.Errorf("without a head, the failures are\n%s", f.read("bare.csv"))
	}
}

// TestWhatIsLeftOutKeepsItsLines: rows that a stage leaves out keep their lines of
// an earlier run.
func TestWhatIsLeftOutKeepsItsLines(t *testing.T) {
	f := newFolder(t, "org_a,bad1", "org_a,auth0|2", "org_a,bad3")
	if _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	before := f.read("results.csv")
	f.source.Resume = true
	f.source.Rows = func(rows rowSeq) rowSeq {
		return func(yield func(importer.Row, error) bool) {
			for row, err := range rows {
				if (err != nil || row.Line > 2) && !yield(row, err) {
					return
				}
			}
		}
	}
	if _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	if after := f.read("results.csv"); strings.Count(after, "\n") != strings.Count(before, "\n") || !strings.Contains(after, "bad1") {
		t.Errorf("the results were\n%sand are\n%s", before, after)
	}
}

// TestLineOfARowThatIsGoneGoes if the run read the whole input, and stays if it was
// stopped before.
func TestLineOfARowThatIsGoneGoes(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		f := newFolder(t, "org_a,bad1", "org_a,auth0|2")
		if _, err := f.run(); err != nil {
			t.Fatal(err)
		}
		f.put("members.csv", "org_id,user_id", "org_a,auth0|2", "org_b,auth0|3", "org_c,auth0|4")
		f.source.Resume = true
		f.source.Op.Send = func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
			if stopped && b.OrgID == "org_c" {
				return importer.Receipt{}, errBad
			}
			return f.send(ctx, b)
		}
		if _, err := f.run(); stopped != errors.Is(err, errBad) {
			t.Fatal(err)
		}
		if got := f.read("results.csv"); strings.Contains(got, "bad1") != stopped || !strings.Contains(got, "auth0|3") {
			t.Errorf("stopped %v: the results are\n%s", stopped, got)
		}
	}
}

// TestLinesStayIfTheInputBreaks: those of the rows that could not be read.
func TestLinesStayIfTheInputBreaks(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1", "org_a,bad")
	if _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.put("members.csv", "org_id,user_id", "org_a,auth0|1", "org_a,auth0|2", "org_a,bad")
	f.source.Resume, f.source.Op.Size = true, 1
	sending := make(chan struct{})
	f.source.Op.Send = func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		close(sending)
		return f.send(ctx, b)
	}
	f.source.Rows = func(rows rowSeq) rowSeq {
		return func(yield func(importer.Row, error) bool) {
			for row, err := range rows {
				if !yield(row, err) {
					return
				}
				if row.Line == 3 {
					<-sending
					yield(importer.Row{}, errBad)
					return
				}
			}
		}
	}
	_, err := f.run()
	if got := f.read("results.csv"); !errors.Is(err, errBad) || !strings.Contains(got, "auth0|2,added") || !strings.Contains(got, "bad,failed") {
		t.Errorf("%v: the results are\n%s", err, got)
	}
}

// TestRowsWithoutARequestAreHeldInBoundedMemory until the first answer.
func TestRowsWithoutARequestAreHeldInBoundedMemory(t *testing.T) {
	_, out := newFolder(t).open()
	rejected := importer.Outcome{Status: importer.Rejected}
	for _, n := range []int{maxHeld - 1, 1} {
		if out.Wrote() {
			t.Error("they are written before there are many")
		}
		out.record(slices.Repeat([]importer.Outcome{rejected}, n))
	}
	if !out.Wrote() {
		t.Error("all of them are held")
	}
}

// TestChangeOfTheInputIsToldFirst: rows may be missing, so the number of failed
// rows is not known.
func TestChangeOfTheInputIsToldFirst(t *testing.T) {
	f := newFolder(t, "org_a,bad1", "org_a,auth0|2")
	if err := f.sink.MaxFailed.UnmarshalText([]byte("10%")); err != nil {
		t.Fatal(err)
	}
	_, err := f.run()
	isReason(t, err, TooManyFailed)
	f.source.Resume = true
	src, out := f.open()
	f.put("members.csv", "org_id,user_id", "org_a,bad1", "org_a,auth0|2", "org_a,auth0|3")
	isReason(t, Run(t.Context(), src, out, 1), InputChanged)
}

// TestFileThatCantBeWrittenIsToldFirst, even if something else stopped the run.
func TestFileThatCantBeWrittenIsToldFirst(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1", "org_b,auth0|2")
	f.sink.Extracts = []*Extract{NewExtract(files.Named("--failures", f.path("absent/failures.csv")), ResultsHead, report.Failures)}
	f.source.Op.Send = func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		if b.OrgID == "org_b" {
			return importer.Receipt{}, errBad
		}
		return f.send(ctx, b)
	}
	_, err := f.run()
	if file, ok := errors.AsType[*files.Error](err); !ok || file.Problem != files.WriteFailed || !errors.Is(err, errBad) || !strings.HasPrefix(err.Error(), "can't write ") {
		t.Errorf("the error is %v", err)
	}
}

// TestNoMoreThanIsAllowedIsSent, even if the file changes after it was counted.
func TestNoMoreThanIsAllowedIsSent(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1", "org_a,auth0|1", "org_a,auth0|2", "org_b,auth0|3", "org_c,auth0|4")
	most := 3
	f.sink.MaxRows = &most
	_, err := f.run()
	isReason(t, err, TooManyRows)
	if len(f.sent) > most {
		t.Errorf("%q were sent", f.sent)
	}
}

func TestRunWithoutAnAnswerLeavesNothing(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1", "org_a,")
	f.source.Op.Send = func(context.Context, importer.Batch) (importer.Receipt, error) { return importer.Receipt{}, errBad }
	out, err := f.run()
	out.Close()
	if !errors.Is(err, errBad) || out.Wrote() {
		t.Errorf("it wrote %v: %v", out.Wrote(), err)
	}
	if _, err := os.Stat(f.path("results.csv")); err == nil {
		t.Error("there are results")
	}
}

// TestResultsWithoutAHeader: a run that is killed at its start leaves such a file.
func TestResultsWithoutAHeader(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1")
	if err := os.WriteFile(f.path("results.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.source.Resume = true
	if _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	if got := f.read("results.csv"); !strings.HasPrefix(got, "line,org_id,") || strings.Count(got, "\n") != 2 {
		t.Errorf("the results are\n%s", got)
	}
}

// TestResultsOfSomethingElse: a run can't continue from them.
func TestResultsOfSomethingElse(t *testing.T) {
	f := newFolder(t, "org_a,auth0|1")
	f.source.Resume = true
	for want, lines := range map[string][]string{
		"this is not a results file": {"name", "Ann"},
		"against another tenant":     {resultsHeader, "2,org_a,auth0|1,added,204,,,1," + report.RunID("oi", "other.example", "") + "-1,2026-11-25T12:00:00Z"},
		"by another operation":       {resultsHeader, "2,org_a,auth0|1,removed,204,,,1," + report.RunID("or", "acme.example", "") + "-1,2026-11-25T12:00:00Z"},
	} {
		f.put("results.csv", lines...)
		src, err := Open(t.Context(), f.source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Create(f.sink, src); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "can't resume from ") {
			t.Errorf("%v: the error is %v", lines, err)
		}
		src.Close()
	}
}

const resultsHeader = "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp"

// TestInputOfSeveralOperationsIsRefused, and that of another tenant: it is not known
// what its lines say of the rows.
func TestInputOfSeveralOperationsIsRefused(t *testing.T) {
	line := func(prefix, tenant, status string) string {
		return "2,org_a,auth0|1," + status + ",204,,,1," + report.RunID(prefix, tenant, "") + "-1,2026-11-25T12:00:00Z"
	}
	f := newFolder(t)
	f.source.ReadTwice = true
	f.source.Select = func(*csvfile.Dialect, Origin) error { return nil }
	for want, other := range map[string]string{
		"line 3 was written by another operation than":       line("or", "acme.example", "removed"),
		"line 3 was written by a run against another tenant": line("oi", "other.example", "added"),
	} {
		f.put("members.csv", resultsHeader, line("oi", "acme.example", "added"), other)
		_, err := Open(t.Context(), f.source)
		if isReason(t, err, Unusable); err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestFewUsersAreAskedForOneByOne, and more are exported.
func TestFewUsersAreAskedForOneByOne(t *testing.T) {
	f := newFolder(t)
	f.source.Lookups.How = "auto"
	for _, n := range []int{maxSingleUsers, maxSingleUsers + 1} {
		lines := []string{"org_id,email"}
		for i := range n {
			lines = append(lines, fmt.Sprintf("org_a,%d@acme.com", i))
		}
		f.put("members.csv", lines...)
		src, err := Open(t.Context(), f.source)
		if err != nil {
			t.Fatal(err)
		}
		if singly := src.look.singly(); singly != (n == maxSingleUsers) {
			t.Errorf("%d users are asked for one by one: %v", n, singly)
		}
		src.Close()
	}
}

// TestIDsAreReused from earlier results, but not from lines without the flags with
// which their keys were read.
func TestIDsAreReused(t *testing.T) {
	other := report.RunID("oi", "acme.example", csvfile.Dialect{UserBy: "username"}.By())
	header := resultsHeader + ",email"
	line := func(user, id, email string) string {
		return "2,org_a," + user + ",added,204,,,1," + id + ",2026-11-25T12:00:00Z," + email
	}
	for name, test := range map[string]struct {
		lines []string
		want  int
	}{
		"its own lines":                        {[]string{line("auth0|1", runID+"-1", "ann@acme.com")}, 1},
		"lines of another way to read keys":    {[]string{line("auth0|1", other+"-1", "ann@acme.com")}, 0},
		"a line without an id, beside its own": {[]string{line("auth0|1", "", "ann@acme.com"), line("auth0|2", runID+"-1", "bob@acme.com")}, 2},
		"a line without an id, beside others":  {[]string{line("auth0|1", "", "ann@acme.com"), line("auth0|2", runID+"-1", "bob@acme.com"), line("auth0|3", other+"-1", "eve@acme.com")}, 1},
		"a line without an id, alone":          {[]string{line("auth0|1", "", "ann@acme.com")}, 0},
	} {
		f := newFolder(t)
		f.put("members.csv", "org_id,email", "org_a,ann@acme.com", "org_a,bob@acme.com", "org_a,eve@acme.com")
		f.put("results.csv", append([]string{header}, test.lines...)...)
		f.source.Resume = true
		src, err := Open(t.Context(), f.source)
		if err != nil {
			t.Fatal(err)
		}
		if got := 3 - src.Findings().Directory.Users.Len(); got != test.want {
			t.Errorf("%s: %d ids are reused, not %d", name, got, test.want)
		}
		src.Close()
	}
}

// TestWhatIsCountedIsInTheFile: after the first line that can't be written, nothing
// is counted and nothing is sent.
func TestWhatIsCountedIsInTheFile(t *testing.T) {
	for _, room := range []int{0, 1, 500, 5000} {
		synctest.Test(t, func(t *testing.T) {
			var lines []string
			for i := range 1000 {
				lines = append(lines, "org_"+string(rune('a'+i%10))+",auth0|"+strings.Repeat("x", i+1))
			}
			f := newFolder(t, lines...)
			src, out := f.open()
			file := &smallFile{room: room}
			out.results.writer = report.NewWriter(file, nil, nil)
			if err := Run(t.Context(), src, out, 1); !errors.Is(err, errNoRoom) {
				t.Errorf("with room for %d bytes it ended with %v", room, err)
			}
			if n, lines := int(out.Progress().Done), strings.Count(file.String(), "\n"); n > lines || lines-n >= 10 {
				t.Errorf("with room for %d bytes %d rows are counted and %d are written", room, n, lines)
			}
			if len(f.sent) > int(out.Progress().Done)+30 {
				t.Errorf("with room for %d bytes %d rows were sent", room, len(f.sent))
			}
		})
	}
}

var errNoRoom = errors.New("no room")

// smallFile accepts that many bytes, and then a part of a write, like a full disk.
type smallFile struct {
	strings.Builder
	room int
}

func (f *smallFile) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	f.Builder.Write(p[:n])
	if n < len(p) {
		return n, errNoRoom
	}
	return n, nil
}

// TestOneDoor: a pipe is sent while it is read, and a file can be read again.
func TestOneDoor(t *testing.T) {
	f := newFolder(t)
	f.source.Path, f.source.Stdin = "-", io.Reader(strings.NewReader("org_id,user_id\norg_a,auth0|1\n"))
	src, out := f.open()
	if src.IsFile() {
		t.Error("the pipe was spooled")
	}
	if ahead := out.Ahead(t.Context(), src); ahead != (Ahead{}) {
		t.Errorf("of a pipe it is known that %+v", ahead)
	}
	if err := Run(t.Context(), src, out, 1); err != nil || len(f.sent) != 1 {
		t.Errorf("%q were sent: %v", f.sent, err)
	}
	f = newFolder(t, "org_a,auth0|1", "org_b,auth0|2", "org_b,bad")
	src, out = f.open()
	if ahead := out.Ahead(t.Context(), src); ahead != (Ahead{Total: 3, Rows: 3, Requests: 2, MayFail: true}) {
		t.Errorf("ahead are %+v", ahead)
	}
	survey, err := src.Survey(t.Context(), out.Before(), nil)
	if err != nil || survey.Sendable != 3 || survey.Organizations != 2 || survey.Batches != 2 {
		t.Errorf("the survey finds %+v: %v", survey, err)
	}
}

// TestRowsThatNeedALookUpAfterAll, because the file was replaced after it was read for
// its keys, are rejected: no request has an empty id.
func TestRowsThatNeedALookUpAfterAll(t *testing.T) {
	f := newFolder(t)
	f.put("members.csv", "org_id,user_id,email", "org_a,auth0|1,ann@acme.com")
	src, out := f.open()
	if ahead := out.Ahead(t.Context(), src); ahead.Rows != 1 {
		t.Fatalf("ahead are %+v", ahead)
	}
	f.put("members.csv", "org_id,user_id,email", "org_a,,ann@acme.com")
	isReason(t, Run(t.Context(), src, out, 1), InputChanged)
	if len(f.sent) > 0 || out.Summary.Rows()["rejected"] != 1 {
		t.Errorf("%q were sent, and the rows are %v", f.sent, out.Summary.Rows())
	}
}

// silence is an observer who says nothing.
type silence struct{}

func (silence) Wait(ratelimit.Wait) {}
func (silence) Event(retry.Event)   {}
func (silence) TokenRefused(error)  {}

// TestOrganizationsThatCantBeChecked, for want of a scope, are sent as they are: that
// they exist was only to be checked. Names have to be looked up.
func TestOrganizationsThatCantBeChecked(t *testing.T) {
	for column, checkOnly := range map[string]bool{"org_id,org_a": true, "org_name,acme": false} {
		for _, hide := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t)
				name, value, _ := strings.Cut(column, ",")
				f.put("members.csv", name+",user_id", value+",auth0|1")
				f.source.Lookups.CheckOrgs = true
				src, out := f.open()
				tenant, err := tenancy.New(&url.URL{Scheme: "https", Host: "acme.example"}, auth0.Credentials{ClientID: "app", ClientSecret: "s3cret"},
					auth0test.New(auth0test.Config{Scopes: []string{"read:users"}, HideScopes: hide}), tenancy.Pace{}, silence{})
				if err == nil { // the scopes are those of a token
					err = tenant.RequireScopes(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				err = src.LookUp(t.Context(), tenant, out.Before())
				if (err == nil) != checkOnly || (src.Findings().Unchecked != "") != checkOnly {
					t.Errorf("%s, with a token that hides its scopes: %v: unchecked because of %q: %v", column, hide, src.Findings().Unchecked, err)
				}
			})
		}
	}
}
