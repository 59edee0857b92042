package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestCheck: an output must not be an input or another output, however they are
// spelt or linked. It was reported for --failures that was --results, where 130 of
// 200 lines were lost, and for a pipe from the file of --failures.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return dir + "/" + name }
	for _, err := range []error{
		os.WriteFile(path("in.csv"), nil, 0o600),
		os.Mkdir(path("folder"), 0o700),
		os.Link(path("in.csv"), path("hard.csv")),
		os.Symlink("link.csv", path("links.csv")),
		os.Symlink("in.csv", path("link.csv")),
		os.Symlink(dir, path("linked")),
		os.Symlink("absent", path("one.csv")),
		os.Symlink("absent", path("two.csv")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stdin, err := os.Open(path("in.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for _, test := range []struct {
		input string
		outs  []string
		want  Problem // -1: none
	}{
		{"in.csv", []string{"in.csv"}, IsInput},
		{"in.csv", []string{"hard.csv"}, IsInput},
		{"in.csv", []string{"links.csv"}, IsInput},
		{"in.csv", []string{"folder/../in.csv"}, IsInput},
		{"in.csv", []string{"linked/in.csv"}, IsInput},
		{"-", []string{"links.csv"}, IsInput},
		{"in.csv", []string{"a", "in.csv"}, IsInput},
		{"in.csv", []string{"a", "folder/../a"}, IsOutput},
		{"in.csv", []string{"one.csv", "two.csv"}, IsOutput},
		{"in.csv", []string{"a", "linked/a"}, IsOutput},
		{"in.csv", []string{"folder"}, IsFolder},
		{"in.csv", []string{"a", "b", "folder/a"}, -1},
	} {
		at := func(name string) string {
			if name == "-" {
				return name
			}
			return path(name)
		}
		var outputs []File
		for _, out := range test.outs {
			outputs = append(outputs, File{"--out", at(out)})
		}
		err := Check(stdin, []File{{"the input", at(test.input)}, {"--users", ""}}, append(outputs, File{"--none", ""}))
		if test.want < 0 && err == nil {
			continue
		}
		t.Logf("%v of %s: %v", test.outs, test.input, err)
		isProblem(t, err, test.want)
	}
	if err := Check(io.Reader(nil), []File{{"the input", os.DevNull}}, []File{{"--a", os.DevNull}, {"--b", os.DevNull}}); err != nil {
		t.Errorf("devices hold nothing that could be overwritten: %v", err)
	}
}

func TestReplaceIsWholeOrNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	put := func(text string, fail error) error {
		return Replace(path, 0o640, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, fail)
		})
	}
	holds := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("the file holds %q, not %q: %v", got, want, err)
		}
	}
	killed := filepath.Join(filepath.Dir(path), ".out.123.part")
	if err := errors.Join(os.WriteFile(killed, nil, 0o600), put("old", nil)); err != nil {
		t.Fatal(err)
	}
	holds("old")
	if _, err := os.Stat(killed); err == nil {
		t.Error("the part of a run that was killed is left")
	}
	broken := errors.New("broken")
	if err := put("new", broken); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	holds("old")
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
}

func TestProve(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", os.DevNull, filepath.Join(dir, "out")} {
		if err := CheckWritable(File{"--out", path}); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	isProblem(t, CheckWritable(File{"--out", filepath.Join(dir, "absent", "out")}), NoFolder)
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it leaves %v", entries)
	}
}

func TestLogNoticesWhatOthersDoToItsFile(t *testing.T) {
	for name, disturb := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return Replace(path+".new", 0o600, func(io.Writer) error { return nil }) },
		"written to": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more")
			return errors.Join(err, f.Close())
		},
	} {
		path := filepath.Join(t.TempDir(), "log")
		log, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Write([]byte("line\n")); err != nil {
			t.Fatal(err)
		}
		if err := disturb(path); err != nil {
			t.Fatal(err)
		}
		if name == "replaced" {
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
		err = log.Close()
		t.Log(name, err)
		isProblem(t, err, Disturbed)
	}
}

func TestLogIsCreatedOnceAndAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for i, open := range []func(string) (*Log, error){Create, Append} {
		log, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Write([]byte{'0' + byte(i)}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(log.Sync(), log.EnsureRoom(0), log.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "01" {
		t.Errorf("the file holds %q: %v", got, err)
	}
	now, err := os.Stat(path)
	if err != nil || !Unchanged(path, now) {
		t.Errorf("the file changed without anybody: %v", err)
	}
	_, err = Create(path)
	isProblem(t, err, Exists)
	if err := Replace(path, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "01"); return err }); err != nil || Unchanged(path, now) {
		t.Errorf("a file of the same size counts as the one before: %v", err)
	}
}

// isProblem fails the test if err is not that problem with a file.
func isProblem(t *testing.T, err error, want Problem) {
	t.Helper()
	if e, ok := errors.AsType[*Error](err); !ok || e.Problem != want {
		t.Errorf("the error is %v, not problem %d", err, want)
	}
}

func TestLinksToAFileHaveOneLock(t *testing.T) {
	dir := t.TempDir()
	results, link := filepath.Join(dir, "results.csv"), filepath.Join(dir, "link.csv")
	if err := os.Symlink(results, link); err != nil {
		t.Fatal(err)
	}
	lock := func(path string) (func(), error) { return Lock(File{"--lock", Target(path) + ".lock"}) }
	unlock, err := lock(results)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(link)
	isProblem(t, err, LockHeld)
	unlock()
	again, err := lock(link)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.lock")); left != nil {
		t.Errorf("it leaves %v", left)
	}
}

// TestOneHoldsALock of a file that its holders make and remove: a file that the
// holder before has just removed locks nobody out.
func TestOneHoldsALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, held atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				unlock, err := Lock(File{"--lock", path})
				if err != nil {
					continue // another has it
				}
				held.Add(1)
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				if _, err := os.Stat(path); err != nil {
					t.Error("the file that is locked is gone")
				}
				holders.Add(-1)
				unlock()
			}
		})
	}
	all.Wait()
	if held.Load() == 0 {
		t.Error("nobody ever held the lock")
	}
}

func TestLockThatCantBeMade(t *testing.T) {
	dir := t.TempDir()
	_, err := Lock(File{"--lock", filepath.Join(dir, "absent", "lock")})
	isProblem(t, err, NoFolder)
	_, err = Lock(File{"--lock", os.DevNull})
	isProblem(t, err, NotRegular)
	_, err = Lock(File{"--lock", dir})
	isProblem(t, err, NotRegular)
}

// TestLinkToADevice: it is written through, and never replaced.
func TestLinkToADevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	if Target(link) != link || !IsStream(link) {
		t.Errorf("it leads to %s, a stream: %v", Target(link), IsStream(link))
	}
	if err := Replace(link, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(link); err != nil || to != os.DevNull {
		t.Errorf("now it leads to %s: %v", to, err)
	}
}

func TestLogThatCantBeSynced(t *testing.T) {
	log, err := Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	log.file.Close()
	isProblem(t, log.Sync(), WriteFailed)
	isProblem(t, log.Close(), WriteFailed)
}
