package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

const (
	// syncEvery bounds what a power cut can lose: the lines of the last second. A
	// kill loses nothing.
	syncEvery = time.Second
	// headroom is the room kept for the answers still in flight when the disk
	// fills up: 32 workers with 10 rows of 200 bytes.
	headroom = 64 << 10
)

type rowSeq = iter.Seq2[importer.Row, error]

// results is the results file of a run. A line is in the file when write returns,
// and on the disk a second later.
type results struct {
	path, tenant string
	op           importer.Op
	kept         []string
	before       *report.Journal // what earlier runs finished
	found        fs.FileInfo     // of the file when before was read
	resumed      bool            // the file existed before
	begun        bool            // lines are being written; until then the file is unchanged
	noted        bool            // a row may have a line that a later one replaces

	mu       sync.Mutex // guards writing
	file     *os.File
	writer   *report.Writer
	size     int64
	reserved int64

	syncing sync.Mutex
	dirty   bool
	syncErr error
	stop    chan struct{}
	synced  sync.WaitGroup
}

// createResults creates the results file. It returns an error if the file exists.
func createResults(path, tenant string, op importer.Op, kept []string) (*results, error) {
	place := followLink(path) // O_EXCL refuses a link, even one without a target
	f, err := os.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usagef("continue with --resume, or name another file with --results", "%s already exists", path)
	}
	if err != nil {
		return nil, writeError(path, err)
	}
	r := &results{path: path, tenant: tenant, op: op, kept: kept, before: &report.Journal{}}
	if err := errors.Join(syncDir(filepath.Dir(place)), r.use(f)); err != nil {
		r.close()
		return nil, writeError(path, err)
	}
	return r, nil
}

// resumeResults reads what earlier runs finished.
func resumeResults(path, tenant string, op importer.Op, kept []string) (*results, error) {
	r := &results{path: path, tenant: tenant, op: op, kept: kept, resumed: true}
	var err error
	if r.found, err = os.Stat(path); err != nil {
		return nil, writeError(path, err)
	}
	if r.before, err = r.read(io.Discard); err != nil {
		return nil, err
	}
	return r, nil
}

// read reads the results file, and writes to w the lines to keep.
func (r *results) read(w io.Writer) (*report.Journal, error) {
	old, err := os.Open(r.path)
	if err != nil {
		return nil, writeError(r.path, err)
	}
	defer old.Close()
	before, err := report.Resume(old, w, r.op, r.tenant, append([]string{}, r.kept...))
	if wrong, ok := errors.AsType[*report.WrongFileError](err); ok {
		return nil, usagef(cmp.Or(unpackHint(r.path, wrong), "give this run another --results"), "can't resume from %s: %w", r.path, err)
	}
	if err != nil {
		return nil, writeError(r.path, err)
	}
	return before, nil
}

// use continues with f, which holds the results so far.
func (r *results) use(f *os.File) error {
	r.file = f
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r.size, r.stop = info.Size(), make(chan struct{})
	r.writer = report.NewWriter(r, r.op.Args, r.kept)
	if r.size == 0 {
		if err := r.writer.WriteHeader(); err != nil {
			return err
		}
	}
	if err := r.ensureRoom(); err != nil {
		return err
	}
	r.synced.Go(r.syncPeriodically)
	return nil
}

// begin prepares the file for new lines.
func (r *results) begin() error {
	if r.resumed {
		if err := r.rewrite(); err != nil {
			return err
		}
	}
	r.begun = true
	return nil
}

// rewrite drops the lines of a resumed file that are not to be kept, and opens it.
// The file is whole at any moment: the old one, or the new one.
func (r *results) rewrite() error {
	now, err := os.Stat(r.path)
	if err != nil || !os.SameFile(now, r.found) || now.Size() != r.found.Size() || !now.ModTime().Equal(r.found.ModTime()) {
		return r.disturbed("changed by something else before the run's first answer, so that answer is lost")
	}
	err = replaceFile(r.path, 0o600, func(w io.Writer) error {
		_, err := r.read(w) // r.before is still what was read first
		return err
	})
	if err != nil {
		return writeError(r.path, err)
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return writeError(r.path, err)
	}
	return r.use(f)
}

// batches packs the rows that are not done yet into batches. Rows that failed in
// an earlier run come after the rows that were never attempted.
func (r *results) batches(rows rowSeq, size int) iter.Seq2[importer.Batch, error] {
	return importer.Group(importer.Skip(rows, r.before.Has), size, r.before.Failed)
}

// note appends a line, which is on the disk when it returns.
func (r *results) note(o importer.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noted = true
	if err := r.writer.Write([]importer.Outcome{o}); err != nil {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return writeError(r.path, err)
	}
	return nil
}

// write appends lines.
func (r *results) write(outcomes []importer.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writer.Write(outcomes)
}

// compact leaves one line for each row in a finished file. If the run is complete,
// it drops the lines of earlier runs for rows that are not done: this run has
// written a new line for each of them that the input still has.
func (r *results) compact(complete bool) error {
	if !r.resumed && !r.noted {
		return nil // no row can have two lines
	}
	first := 0
	if complete {
		first = r.before.Lines() + 1 // with the header
	}
	err := replaceFile(r.path, 0o600, func(w io.Writer) error {
		f, err := os.Open(r.path)
		if err != nil {
			return err
		}
		defer f.Close()
		return report.Compact(f, w, r.op, r.tenant, first)
	})
	if err != nil {
		return writeError(r.path, err)
	}
	return nil
}

// Write appends p to the file. The report.Writer calls it.
func (r *results) Write(p []byte) (int, error) {
	n, err := r.file.Write(p)
	r.size += int64(n)
	r.syncing.Lock()
	r.dirty = true
	r.syncing.Unlock()
	if err != nil {
		return n, writeError(r.path, err)
	}
	return n, nil
}

// ensureRoom reserves room on the disk for the next answers, and returns the error
// of an earlier sync. It is called after each write, so that a run on a disk that
// fills up stops sending while there is still room for the answers in flight.
func (r *results) ensureRoom() error {
	r.syncing.Lock()
	err := r.syncErr
	r.syncing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.size+headroom > r.reserved {
		if err = reserve(r.file, r.size, 2*headroom); err == nil {
			r.reserved = r.size + 2*headroom
		}
	}
	if err != nil {
		return writeError(r.path, err)
	}
	return nil
}

func (r *results) syncPeriodically() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.sync()
		case <-r.stop:
			return
		}
	}
}

func (r *results) sync() {
	r.syncing.Lock()
	dirty := r.dirty
	r.dirty = false
	r.syncing.Unlock()
	if !dirty {
		return
	}
	if err := errors.Join(r.file.Sync(), r.checkPlace()); err != nil {
		r.syncing.Lock()
		r.syncErr = errors.Join(r.syncErr, err)
		r.syncing.Unlock()
	}
}

// checkPlace makes sure that the file being written is still the one at its path.
func (r *results) checkPlace() error {
	ours, err := r.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(r.path); err != nil || !os.SameFile(ours, there) {
		return r.disturbed("removed or replaced during the run: the lines of this run are lost, but its rows have been sent")
	}
	return nil
}

// disturbed returns the error of a run whose results file was changed by something
// else.
func (r *results) disturbed(how string) error {
	return &exitError{exitStopped, fmt.Errorf("%s was %s", r.path, how), "leave the file alone during a run; run again with --resume"}
}

// finish syncs the file, releases the room that was not needed, and closes it.
func (r *results) finish() error {
	if r.file == nil {
		return nil
	}
	close(r.stop)
	r.synced.Wait()
	err := errors.Join(r.syncErr, r.checkPlace(), r.trim(), r.file.Sync(), r.file.Close())
	r.file = nil
	if err != nil {
		return writeError(r.path, err)
	}
	return nil
}

// trim releases the room reserved beyond the end of the file.
func (r *results) trim() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != r.size {
		return r.disturbed("written to by something else during the run")
	}
	return r.file.Truncate(r.size)
}

// close closes the file. It removes a new file without lines.
func (r *results) close() {
	created := !r.resumed && !r.begun
	_ = r.finish() // a run that wrote lines has called finish and checked its error
	if created {
		_ = os.Remove(linkTarget(r.path))
	}
}

// derived is a file that is made from the results when the run ends.
type derived struct {
	file
	header func(w io.Writer) error
	rows   func(results io.Reader, w io.Writer) error
	opened *os.File // a device or a pipe, open from the start of the run; otherwise nil
}

// begin opens the file and writes its header, if it is a device or a pipe.
func (d *derived) begin() (err error) {
	if d.path == "" || !special(d.path) {
		return nil
	}
	if d.opened, err = openSpecial(d.path); err == nil {
		err = d.header(d.opened)
	}
	if err != nil {
		return writeError(d.path, err)
	}
	return nil
}

// write makes the file from the results.
func (d *derived) write(results string) error {
	if d.path == "" {
		return nil
	}
	rows := func(w io.Writer) error {
		f, err := os.Open(results)
		if err != nil {
			return err
		}
		defer f.Close()
		return d.rows(f, w)
	}
	var err error
	if d.opened != nil {
		err = errors.Join(rows(d.opened), d.opened.Close())
	} else {
		err = replaceFile(d.path, 0o600, func(w io.Writer) error { return errors.Join(d.header(w), rows(w)) })
	}
	if err != nil {
		return writeError(d.path, err)
	}
	return nil
}
