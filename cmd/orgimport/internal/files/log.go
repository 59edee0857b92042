package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// syncEvery bounds what a power cut can lose: what was written in the last
	// second. A kill loses nothing.
	syncEvery = time.Second
	// answerSize is the room kept for an answer: 10 rows of 200 bytes.
	answerSize = 2 << 10
)

// Log is a file that grows. What was written is in the file when Write returns,
// and on the disk a second later. Room for more is reserved, so that a disk that
// fills up is noticed in time.
type Log struct {
	path string
	stop chan struct{}

	mu       sync.Mutex // guards writing
	file     *os.File
	size     int64
	reserved int64

	syncing sync.Mutex
	dirty   bool
	syncErr error
	synced  sync.WaitGroup
}

// Create creates a file that grows, behind the links at path. It is an error if the
// file exists.
func Create(path string) (*Log, error) {
	place := Target(path) // O_EXCL refuses a link, even one without a target
	f, err := os.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, problem(Exists, File{"", path}, "%s already exists", path)
	}
	if err != nil {
		return nil, CantWrite(path, err)
	}
	if err := syncDir(filepath.Dir(place)); err != nil {
		return nil, CantWrite(path, errors.Join(err, f.Close(), os.Remove(place)))
	}
	l, err := open(path, f)
	if err != nil {
		return nil, errors.Join(err, os.Remove(place))
	}
	return l, nil
}

// Append opens a file that exists, to let it grow.
func Append(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, CantWrite(path, err)
	}
	return open(path, f)
}

func open(path string, f *os.File) (*Log, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, CantWrite(path, errors.Join(err, f.Close()))
	}
	l := &Log{path: path, file: f, size: info.Size(), stop: make(chan struct{})}
	if err := l.EnsureRoom(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.synced.Go(l.syncPeriodically)
	return l, nil
}

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(p)
	l.size += int64(n)
	l.syncing.Lock()
	l.dirty = true
	l.syncing.Unlock()
	if err != nil {
		return n, CantWrite(l.path, err)
	}
	return n, nil
}

// Empty reports whether nothing is in the file.
func (l *Log) Empty() bool { return l.size == 0 }

// Sync makes sure that what was written is on the disk.
func (l *Log) Sync() error {
	if err := l.file.Sync(); err != nil {
		return CantWrite(l.path, err)
	}
	return nil
}

// EnsureRoom reserves room on the disk for so many answers to requests, and returns
// the error of an earlier sync. It is to be called after each write, so that a disk
// that fills up is noticed while there is still room for what is on its way.
func (l *Log) EnsureRoom(answers int) error {
	room := max(headroom, int64(answers)*answerSize)
	l.syncing.Lock()
	err := l.syncErr
	l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.size+room > l.reserved {
		if err = reserve(l.file, l.size, 2*room); err == nil {
			l.reserved = l.size + 2*room
		}
	}
	if err != nil {
		return CantWrite(l.path, err)
	}
	return nil
}

func (l *Log) syncPeriodically() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.sync()
		case <-l.stop:
			return
		}
	}
}

func (l *Log) sync() {
	l.syncing.Lock()
	dirty := l.dirty
	l.dirty = false
	l.syncing.Unlock()
	if !dirty {
		return
	}
	if err := errors.Join(l.file.Sync(), l.checkPlace()); err != nil {
		l.syncing.Lock()
		l.syncErr = errors.Join(l.syncErr, err)
		l.syncing.Unlock()
	}
}

// checkPlace makes sure that the file being written is still the one at its path.
func (l *Log) checkPlace() error {
	ours, err := l.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(l.path); err != nil || !os.SameFile(ours, there) {
		return Disturb(l.path, "removed or replaced during the run: the lines of this run are lost, but its rows have been sent")
	}
	return nil
}

// Disturb returns the error of a file that something else has changed; how completes
// the sentence "path was …".
func Disturb(path, how string) error {
	return &Error{Disturbed, File{"", path}, fmt.Errorf("%s was %s", path, how)}
}

// Close syncs the file, releases the room that was not needed, and closes it.
func (l *Log) Close() error {
	close(l.stop)
	l.synced.Wait()
	if err := errors.Join(l.syncErr, l.checkPlace(), l.trim(), l.file.Sync(), l.file.Close()); err != nil {
		return CantWrite(l.path, err)
	}
	return nil
}

// Remove closes and removes a file that was created and is not needed.
func (l *Log) Remove() {
	_ = l.Close()
	_ = os.Remove(target(l.path))
}

// trim releases the room reserved beyond the end of the file.
func (l *Log) trim() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != l.size {
		return Disturb(l.path, "written to by something else during the run")
	}
	return l.file.Truncate(l.size)
}

// Stamp identifies a version of a file.
type Stamp struct{ info fs.FileInfo }

// StampOf returns the stamp of the file at path.
func StampOf(path string) (Stamp, error) {
	info, err := os.Stat(path)
	return Stamp{info}, err
}

// Fits reports whether the file at path is still the same, and unchanged.
func (s Stamp) Fits(path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(now, s.info) && now.Size() == s.info.Size() && now.ModTime().Equal(s.info.ModTime())
}
