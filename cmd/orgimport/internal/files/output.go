package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Replace replaces the file at path atomically, even across a power cut: path
// has either its old content or all that write wrote. It follows links, and keeps
// the mode of an existing file; a new file gets the given mode. It writes directly
// to a device or a pipe.
func Replace(path string, mode fs.FileMode, write func(w io.Writer) error) (err error) {
	if IsStream(path) {
		f, err := OpenStream(path)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	path = target(path)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	clearParts(path)
	tmp, err := createPart(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(write(tmp), tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Remove removes f, if it is there, and what killed runs have left of new versions of
// it. Of a link, it removes what the link leads to. It ignores a file without a path,
// a device and a pipe.
func Remove(f File) error {
	if f.Path == "" || IsStream(f.Path) {
		return nil
	}
	path := target(f.Path)
	clearParts(path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return cantWrite(NotWritable, f, err)
	}
	return nil
}

// OpenStream opens a device or a pipe for writing, or the file that standard
// output goes to. A pipe without a reader is an error: waiting for one could take
// forever.
func OpenStream(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, problem(NoReader, File{"", path}, "%s is a pipe without a reader", path)
	}
	return f, err
}

// headroom is the least room kept for what still comes when the disk fills up.
const headroom = 64 << 10

// CheckWritable makes sure that the files can be written and that the disk has some
// room, and leaves no trace. It ignores a file without a path, a device and a pipe.
func CheckWritable(all ...File) error {
	for _, f := range all {
		if err := checkWritable(f); err != nil {
			return err
		}
	}
	return nil
}

func checkWritable(f File) error {
	if f.Path == "" || IsStream(f.Path) {
		return nil
	}
	tmp, err := createPart(target(f.Path))
	if err == nil {
		err = errors.Join(reserve(tmp, 0, 2*headroom), tmp.Close(), os.Remove(tmp.Name()))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return problem(NoFolder, f, "can't write %s: its folder does not exist", f.Path)
	case errors.Is(err, syscall.ENOSPC):
		return cantWrite(WriteFailed, f, err)
	case err != nil:
		return cantWrite(NotWritable, f, err)
	}
	return nil
}

// createPart creates the temporary file, of mode 0600, for a new version of path.
func createPart(path string) (*os.File, error) {
	dir, begin := partOf(path)
	return os.CreateTemp(dir, begin+"*.part")
}

// partOf returns the folder of the temporary files for path, and how their names
// begin.
func partOf(path string) (dir, begin string) {
	base := filepath.Base(path)
	return filepath.Dir(path), "." + base[:min(len(base), 200)] + "." // names are limited to 255 bytes
}

// clearParts removes the temporary files of runs that were killed while they
// replaced path. Only one run at a time replaces a file.
func clearParts(path string) {
	dir, begin := partOf(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // createPart will meet the error too
	}
	for _, e := range entries {
		random, ours := strings.CutPrefix(e.Name(), begin)
		random, whole := strings.CutSuffix(random, ".part")
		if ours && whole && e.Type().IsRegular() && strings.Trim(random, "0123456789") == "" {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// syncDir syncs a folder, so that a new name in it survives a power cut. It
// ignores folders that can't be synced, as on some network filesystems.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

const (
	// syncEvery bounds what a power cut can lose: what was written in the last
	// second. A kill loses nothing.
	syncEvery = time.Second
	// answerSize is the room kept for an answer: 10 rows of 200 bytes.
	answerSize = 2 << 10
)

// Log is a file that grows. What was written is in the file when Write returns,
// and on the disk a second later. Room for more is reserved, so that a disk that
// fills up is noticed in time. A Log is for one goroutine.
type Log struct {
	path     string
	file     *os.File
	size     int64
	reserved int64 // the size up to which there is room on the disk

	stop    chan struct{}
	synced  sync.WaitGroup
	dirty   atomic.Bool // something was written after the last sync
	mu      sync.Mutex  // guards syncErr
	syncErr error
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
	n, err := l.file.Write(p)
	l.size += int64(n)
	l.dirty.Store(true)
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
	l.mu.Lock()
	err := l.syncErr
	l.mu.Unlock()
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
	if !l.dirty.Swap(false) {
		return
	}
	if err := errors.Join(l.file.Sync(), l.checkPlace()); err != nil {
		l.mu.Lock()
		l.syncErr = errors.Join(l.syncErr, err)
		l.mu.Unlock()
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
