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
	// syncEvery is how much may be lost to a power cut; a kill loses nothing.
	syncEvery = time.Second
	// headroom is kept free on the disk for the answers that are still on
	// their way when it fills up: 32 workers with 10 rows of 200 bytes.
	headroom = 64 << 10
)

type rowSeq = iter.Seq2[importer.Row, error]

// results is the results file while a run writes it. Every line is in the file
// when a write returns, and on the disk a second later.
type results struct {
	path, tenant string
	op           importer.Op
	kept         []string
	before       *report.Journal // what earlier runs finished
	found        fs.FileInfo     // of the file when that was read
	resumed      bool            // the file was there before
	begun        bool            // lines are written; until then the file is as it was
	noted        bool            // rows may have a line that another replaces

	mu       sync.Mutex // held by whoever writes
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

// createResults makes a new results file; one that exists is an error.
func createResults(path, tenant string, op importer.Op, kept []string) (*results, error) {
	place := path
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		place = linkTarget(path) // there may be nothing yet
	}
	f, err := os.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, usagef("continue it with --resume, or give another --results", "%s exists", path)
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

// read reads the results file, and writes to w what stays of it.
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

// use goes on with f, which has the results so far.
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

// begin gets ready to write lines.
func (r *results) begin() error {
	if r.resumed {
		if err := r.rewrite(); err != nil {
			return err
		}
	}
	r.begun = true
	return nil
}

// rewrite leaves of a file that is gone on with what stays of it, and opens it.
// The file is whole at any moment: the old one, or the new one.
func (r *results) rewrite() error {
	now, err := os.Stat(r.path)
	if err != nil || !os.SameFile(now, r.found) || now.Size() != r.found.Size() || !now.ModTime().Equal(r.found.ModTime()) {
		return r.disturbed("changed by something else while the run waited for its first answer, which is lost")
	}
	err = replaceFile(r.path, 0o600, func(w io.Writer) error {
		_, err := r.read(w) // the rows are held against what was read first
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

// order leaves out what is done already and packs the rest into batches, what
// failed before behind what was never attempted.
func (r *results) batches(rows rowSeq, size int) iter.Seq2[importer.Batch, error] {
	return importer.GroupLast(importer.Skip(rows, r.before.Has), size, r.before.Failed)
}

// note appends a line and has it on the disk when it returns.
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

// compact leaves one line for each row in the file, which is finished. Of a run
// that came to the end of its input, what earlier runs said of rows that are not
// done goes: this run has said it anew, if the input has the row.
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

// Write appends p to the file, for the writer of lines.
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

// ensureRoom makes sure that the disk has room for the answers to come, and that it
// took those that came. It is asked before more is sent, so that a disk that
// fills up stops the intake while there is still room for what is in flight.
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

// inPlace makes sure that the file that is written is the one at its path.
func (r *results) checkPlace() error {
	ours, err := r.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(r.path); err != nil || !os.SameFile(ours, there) {
		return r.disturbed("removed or replaced while the run wrote it: the lines of this run are lost, its rows are not")
	}
	return nil
}

// disturbed says that something else got hold of the file.
func (r *results) disturbed(how string) error {
	return &exitError{exitStopped, fmt.Errorf("%s was %s", r.path, how), "leave the file alone while a run is at work; run again with --resume"}
}

// finish syncs the file, gives back the room that was not needed, and closes it.
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

// trim gives back the room behind the end of the file.
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

// close lets go of the file. One that is new, and that no line was written to,
// goes with it.
func (r *results) close() {
	created := !r.resumed && !r.begun
	_ = r.finish() // a run that wrote lines has asked for its error
	if created {
		_ = os.Remove(linkTarget(r.path))
	}
}

// derived is a file that is made of the results when the run ends.
type derived struct {
	file
	header func(w io.Writer) error
	rows   func(results io.Reader, w io.Writer) error
	opened *os.File // what is not to be replaced, from the start of the run on
}

// begin opens what is not to be replaced, such as a device or a pipe, and writes
// the header to it.
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

// write makes the file of the results.
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
