package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

// snapshot returns the files in the folder of a program: the target of a link, the
// content of a file.
func (p *program) snapshot() map[string]string {
	p.t.Helper()
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		switch {
		case e.Type().IsRegular():
			all[e.Name()] = p.read(e.Name())
		default:
			all[e.Name()], _ = os.Readlink(p.path(e.Name()))
		}
	}
	return all
}

// outputFlags returns the flags of a command that name a file to be written,
// including any new ones.
func outputFlags(t *testing.T, command string) (flags []string) {
	t.Helper()
	parser, err := newParser(&console{surroundings: surroundings{getenv: func(string) string { return "" }}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range parser.Model.Children {
		for _, flag := range node.Flags {
			if node.Name == command && flag.PlaceHolder == "FILE" && slices.Contains([]string{"results", "watch", "output"}, flag.Group.Key) {
				flags = append(flags, "--"+flag.Name)
			}
		}
	}
	return flags
}

// TestEveryOutputIsChecked against the input before anything is opened. Package
// files tests the ways in which two paths can be the same file.
func TestEveryOutputIsChecked(t *testing.T) {
	t.Parallel()
	tenant := newProofTenant(auth0test.Config{})
	p := newProgram(t, tenant, newProofInput(proofLines(100, 5)).csv)
	p.write("secret", []byte(p.secret))
	before := p.snapshot()
	refuses := func(says string, args ...string) {
		t.Helper()
		e := p.begin(p.prepare(args...)).end()
		if e.code != exitUsage {
			t.Errorf("%v: exit code %d:\n%s", args, e.code, e.stderr)
		}
		e.says(t, says)
	}
	more := map[string][]string{
		"plan":          {"--check"},
		"remove":        {"--max-removals", "5"},
		"roles":         {"--role", "rol_0000000000000000"},
		"invite":        {"--inviter", "Acme", "--application", "client", "--max-invitations", "5"},
		"organizations": {"--max-organizations", "5"},
		"export":        {"--orgs", "members.csv"},
	}
	checked := 0
	for _, c := range commands() {
		command := c.name
		for _, flag := range outputFlags(t, command) {
			args := append([]string{command, "members.csv", flag, "members.csv"}, more[command]...)
			checked++
			if command != "plan" || flag != "--results" { // which plan reads
				refuses(" itself", args...)
			}
			if c.results != "" && command != "plan" && !slices.Contains([]string{"--results", "--failures", "--lock"}, flag) {
				refuses("can't be used with --dry-run", append(args, "--dry-run")...)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d outputs of all commands were checked", checked)
	}
	for i, flag := range outputFlags(t, "import") {
		for _, other := range outputFlags(t, "import")[:i] {
			refuses("are the same file", "import", "members.csv", flag, "new.csv", other, "new.csv")
		}
	}
	refuses("are the same file", "import", "members.csv", "--failures", "results.csv")
	refuses("are the same file", "import", "members.csv", "--failures", "results.csv.lock")
	p.env = []string{"AUTH0_CLIENT_SECRET=", "AUTH0_CLIENT_SECRET_FILE=" + p.path("secret")}
	refuses("is AUTH0_CLIENT_SECRET_FILE itself", "import", "members.csv", "--failures", "secret")
	if !maps.Equal(before, p.snapshot()) || tenant.Stats().Total() != 0 {
		t.Errorf("the folder was %v, and is %v; %d requests", before, p.snapshot(), tenant.Stats().Total())
	}
	if err := os.Remove(p.path("secret")); err != nil {
		t.Error(err) // no file may hold the secret in the end
	}
}

// TestRunThatCantBeginLeavesNothing, so that the corrected command runs. It was
// reported for --failures in a folder that did not exist: an empty results.csv was
// left, and the next run refused it.
func TestRunThatCantBeginLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code int
		args []string
		env  []string
	}{
		"failures in no folder": {exitUsage, []string{"--failures", "absent/failures.csv"}, nil},
		"a wrong flag":          {exitUsage, []string{"--batch-size", "11"}, nil},
		"no such column":        {exitUsage, []string{"--delimiter", ";"}, nil},
		"no tenant":             {exitUsage, nil, []string{"AUTH0_DOMAIN="}},
		"a wrong secret":        {exitStopped, nil, []string{"AUTH0_CLIENT_SECRET=wrong"}},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			in := newProofInput(proofLines(30, 3))
			tenant := newProofTenant(auth0test.Config{})
			p := newProgram(t, tenant, in.csv)
			p.secret = "right"
			tenant = newProofTenant(auth0test.Config{Applications: []auth0test.Application{{ClientID: "client", Secret: "right"}}})
			p.tenant, p.env = tenant, test.env
			p.run(test.code, test.args...)
			if got := p.files(); len(got) != 1 {
				t.Errorf("it leaves %v", got)
			}
			p.env = nil
			p.complete(in, p.run(exitDone))
			if got := p.files(); len(got) != 2 {
				t.Errorf("beside the input and the results there are %v", got)
			}
		})
	}
}

// TestLinksAndDevicesStayWhatTheyAre. It was reported for a results file that was a
// link into a volume: the link was replaced by a file, and its target stayed stale.
func TestLinksAndDevicesStayWhatTheyAre(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		in := newProofInput(mixed(3, proofLines(200, 5), 2, 1, 2, 2))
		tenant := newProofTenant(auth0test.Config{Latency: slowly().Latency})
		p := newProgram(t, tenant, in.csv)
		volume := t.TempDir()
		outputs := []string{"results.csv", "failures.csv", "summary.json", "metrics.prom"}
		for _, name := range outputs {
			if err := os.Symlink(filepath.Join(volume, name), p.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"--failures", "failures.csv", "--summary", "summary.json", "--metrics", "metrics.prom"}
		p.partly(in, p.run(exitDuration, append(args, "--max-duration", "120ms")...))
		if err := os.Chmod(filepath.Join(volume, "results.csv"), 0o640); err != nil {
			t.Fatal(err)
		}
		p.complete(in, p.run(exitRows, append(args, "--resume")...))
		for _, name := range outputs {
			link, err := os.Lstat(p.path(name))
			if err != nil || link.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s is a link no more: %v", name, err)
			}
			if info, err := os.Stat(filepath.Join(volume, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s leads nowhere: %v", name, err)
			}
		}
		if info, err := os.Stat(filepath.Join(volume, "results.csv")); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("the results have mode %v: %v", info.Mode(), err)
		}

		null, err := os.Stat(os.DevNull)
		if err != nil {
			t.Skip(err)
		}
		for _, name := range outputs[1:] {
			if err := os.Remove(p.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		for i := 1; i < len(args); i += 2 {
			args[i] = os.DevNull
		}
		p.run(exitRows, append(args, "--resume")...)
		if now, err := os.Stat(os.DevNull); err != nil || now.Mode() != null.Mode() || !os.SameFile(null, now) {
			t.Errorf("%s was %v and is %v: %v", os.DevNull, null.Mode(), now.Mode(), err)
		}
	})
}

// TestStandardOutputIsWrittenTo if it is a file: its content is kept.
func TestStandardOutputIsWrittenTo(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/fd/1"); err != nil {
		t.Skip(err)
	}
	tenant := newServedTenant(t, auth0test.Config{})
	p := newProgram(t, tenant, newProofInput([]string{"org_a,auth0|1"}).csv)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString("before\n"); err != nil {
		t.Fatal(err)
	}
	run := p.command("import", "members.csv", "--failures", "/dev/stdout")
	run.Stdout = out
	p.begin(run)
	if e := run.end(); e.code != exitDone {
		t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
	}
	got, err := os.ReadFile(out.Name())
	if err != nil || string(got) != "before\n"+proofResultsHeader {
		t.Errorf("standard output is %q: %v", got, err)
	}
}
