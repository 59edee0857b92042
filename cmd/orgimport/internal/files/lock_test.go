package files

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

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
	isProblem(t, err, LockNoFolder)
	_, err = Lock(File{"--lock", os.DevNull})
	isProblem(t, err, NotRegular)
	_, err = Lock(File{"--lock", dir})
	isProblem(t, err, NotRegular)
}
