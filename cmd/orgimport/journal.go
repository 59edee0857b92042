package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"orgimport/report"
)

const (
	// syncEvery is how much may be lost to a power cut; a kill loses nothing.
	syncEvery = time.Second
	// headroom is kept free on the disk for the answers that are still on
	// their way when it fills up: 32 workers with 10 rows of 200 bytes.
	headroom = 64 << 10
)

// journal is the results file while a run writes it. Every Write is in the file
// when it returns, and on the disk a second later.
type journal struct {
	file     *os.File
	size     int64
	reserved int64

	mu      sync.Mutex
	dirty   bool
	syncErr error
	stop    chan struct{}
	synced  sync.WaitGroup
}

// createJournal makes a new results file; one that exists is an error.
func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usagef("go on with it by --resume, or give another --results", "%s exists", path)
	}
	if err != nil {
		return nil, writeError(path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, writeError(path, err)
	}
	return newJournal(f)
}

// resumeJournal rewrites a results file to what stays of it, and goes on with
// it. The file is whole at any moment: the old one, or the new one.
func resumeJournal(path, tenant string, kept []string) (*journal, *report.Journal, error) {
	old, err := os.Open(path)
	if err != nil {
		return nil, nil, writeError(path, err)
	}
	defer old.Close()
	var before *report.Journal
	err = replaceFile(path, func(w io.Writer) (err error) {
		if before, err = report.Resume(old, w, tenant); err != nil {
			return err
		}
		return before.CheckKept(kept)
	})
	var header *report.HeaderError
	var tenants *report.OtherTenantError
	if errors.As(err, &header) || errors.As(err, &tenants) {
		return nil, nil, usagef("give this run another --results", "can't go on with %s: %w", path, err)
	}
	if err != nil {
		return nil, nil, writeError(path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, writeError(path, err)
	}
	j, err := newJournal(f)
	return j, before, err
}

func newJournal(f *os.File) (*journal, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j := &journal{file: f, size: info.Size(), stop: make(chan struct{})}
	if err := j.Room(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j.synced.Go(j.syncNowAndThen)
	return j, nil
}

// Write appends p to the file.
func (j *journal) Write(p []byte) (int, error) {
	n, err := j.file.Write(p)
	j.size += int64(n)
	j.mu.Lock()
	j.dirty = true
	j.mu.Unlock()
	if err != nil {
		return n, writeError(j.file.Name(), err)
	}
	return n, nil
}

// Room makes sure that the disk has room for the answers to come, and that it
// took those that came. It is asked before more is sent, so that a disk that
// fills up stops the intake while there is still room for what is in flight.
func (j *journal) Room() error {
	j.mu.Lock()
	err := j.syncErr
	j.mu.Unlock()
	if err == nil && j.size+headroom > j.reserved {
		if err = reserve(j.file, j.size, 2*headroom); err == nil {
			j.reserved = j.size + 2*headroom
		}
	}
	if err != nil {
		return writeError(j.file.Name(), err)
	}
	return nil
}

func (j *journal) syncNowAndThen() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			j.sync()
		case <-j.stop:
			return
		}
	}
}

func (j *journal) sync() {
	j.mu.Lock()
	dirty := j.dirty
	j.dirty = false
	j.mu.Unlock()
	if !dirty {
		return
	}
	if err := j.file.Sync(); err != nil {
		j.mu.Lock()
		j.syncErr = errors.Join(j.syncErr, err)
		j.mu.Unlock()
	}
}

// Close syncs the file, gives back the room that was not needed, and closes it.
func (j *journal) Close() error {
	close(j.stop)
	j.synced.Wait()
	err := errors.Join(j.syncErr, j.file.Truncate(j.size), j.file.Sync(), j.file.Close())
	if err != nil {
		return writeError(j.file.Name(), err)
	}
	return nil
}

// writeError says that a file can't be written, which ends the run.
func writeError(path string, err error) error {
	return cantWrite(path, err, "see to it that there is room and that the folder can be written, then go on with --resume")
}

func cantWrite(path string, err error, hint string) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &exitError{exitStopped, fmt.Errorf("can't write %s: %w", path, err), hint}
}
