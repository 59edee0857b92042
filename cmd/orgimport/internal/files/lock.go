package files

import (
	"errors"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// Lock keeps other processes away from what f stands for. It locks the file
// through the kernel, so the lock ends with the process, however that ends. If Lock
// creates the file, unlock removes it.
func Lock(f File) (unlock func(), err error) {
	if IsStream(f.Path) {
		return nil, problem(NotRegular, f, "%s %s is not a regular file", f.Name, f.Path)
	}
	_, err = os.Stat(f.Path)
	created := errors.Is(err, fs.ErrNotExist)
	for range 10 {
		l := flock.New(f.Path, flock.SetPermissions(0o600))
		locked, err := l.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, problem(LockNoFolder, f, "can't make the lock file %s: its folder does not exist", f.Path)
		}
		if err != nil {
			return nil, problem(LockFailed, f, "can't make the lock file: %w", err)
		}
		if !locked {
			break
		}
		if !isAt(f.Path, l) {
			_ = l.Unlock() // the previous run has just removed the file
			created = true
			continue
		}
		return func() {
			if created {
				_ = os.Remove(target(f.Path)) // still locked, so no other run relies on it
			}
			_ = l.Unlock()
		}, nil
	}
	return nil, problem(LockHeld, f, "another run holds the lock %s", f.Path)
}

// isAt reports whether the locked file is still the one at path.
func isAt(path string, l *flock.Flock) bool {
	ours, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}
