package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// lock keeps other runs away from the results. It locks a file through the
// kernel, so the lock ends with the process, however that ends. If lock creates
// the file, unlock removes it.
func lock(path string) (unlock func(), err error) {
	if special(path) {
		return nil, usagef("name a file that is not there yet", "--lock %s is not a regular file", path)
	}
	_, err = os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	l := flock.New(path, flock.SetPermissions(0o600))
	for range 10 {
		locked, err := l.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("make the folder, or name another file with --lock", "can't make the lock file %s: its folder does not exist", path)
		}
		if err != nil {
			return nil, &exitError{exitStopped, fmt.Errorf("can't make the lock file: %w", err), "make the folder writable, or name another file with --lock"}
		}
		if !locked {
			break
		}
		if !isAt(path, l) {
			_ = l.Unlock() // the previous run has just removed the file
			continue
		}
		return func() {
			if created {
				_ = os.Remove(linkTarget(path)) // still locked, so no other run relies on it
			}
			_ = l.Unlock()
		}, nil
	}
	return nil, &exitError{exitLocked, fmt.Errorf("another run holds the lock %s", path), "wait for it to end, or give this run its own --results"}
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
