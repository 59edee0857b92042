package main

import (
	"fmt"

	"github.com/gofrs/flock"
)

// lock keeps other runs off the results. It is the kernel's lock on a file, so
// it goes with the process however that ends; the file stays, for to remove it
// would let two runs lock two files of one name.
func lock(path string) (unlock func(), err error) {
	l := flock.New(path, flock.SetPermissions(0o600))
	locked, err := l.TryLock()
	if err != nil {
		return nil, &exitError{exitStopped, fmt.Errorf("can't make the lock file: %w", err), "make the folder, or see that it can be written; --lock names another place"}
	}
	if !locked {
		return nil, &exitError{exitLocked, fmt.Errorf("another run holds the lock %s", path), "it is still at work: wait for it to end, or give this run its own --results"}
	}
	return func() { _ = l.Unlock() }, nil
}
