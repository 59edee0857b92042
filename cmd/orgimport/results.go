package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/report"
)

type rowSeq = iter.Seq2[importer.Row, error]

// results is the results file of a run. A line is in the file when write returns,
// and on the disk a second later.
type results struct {
	path, tenant string
	op           importer.Op
	kept         []string
	before       *report.Journal // what earlier runs finished
	found        files.Stamp     // of the file when before was read
	resumed      bool            // the file existed before
	begun        bool            // lines are being written; until then the file is unchanged
	noted        bool            // a row may have a line that a later one replaces

	log    *files.Log
	writer *report.Writer
}

// createResults creates the results file. It returns an error if the file exists.
func createResults(path, tenant string, op importer.Op, kept []string) (*results, error) {
	log, err := files.Create(path)
	if err != nil {
		return nil, err
	}
	r := &results{path: path, tenant: tenant, op: op, kept: kept, before: &report.Journal{}}
	r.use(log)
	if err := r.writer.WriteHeader(); err != nil {
		log.Remove()
		return nil, err
	}
	return r, nil
}

// resumeResults reads what earlier runs finished.
func resumeResults(path, tenant string, op importer.Op, kept []string) (*results, error) {
	r := &results{path: path, tenant: tenant, op: op, kept: kept, resumed: true}
	var err error
	if r.found, err = files.StampOf(path); err != nil {
		return nil, files.CantWrite(path, err)
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
		return nil, files.CantWrite(r.path, err)
	}
	defer old.Close()
	text, err := openToContinue(old)
	if err != nil {
		return nil, fmt.Errorf("can't resume from %w", err)
	}
	before, err := report.Resume(text, w, r.op, r.tenant, append([]string{}, r.kept...))
	if _, ok := errors.AsType[*report.WrongFileError](err); ok {
		return nil, usagef("give this run another --results", "can't resume from %s: %w", r.path, err)
	}
	if err != nil {
		return nil, files.CantWrite(r.path, err)
	}
	return before, nil
}

// use continues with log, which holds the results so far.
func (r *results) use(log *files.Log) {
	r.log, r.writer = log, report.NewWriter(log, r.op.Args, r.kept)
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
	if !r.found.Fits(r.path) {
		return files.Disturb(r.path, "changed by something else before the run's first answer, so that answer is lost")
	}
	err := files.Replace(r.path, 0o600, func(w io.Writer) error {
		_, err := r.read(w) // r.before is still what was read first
		return err
	})
	if err != nil {
		return files.CantWrite(r.path, err)
	}
	log, err := files.Append(r.path)
	if err == nil {
		r.use(log)
	}
	return err
}

// batches packs the rows that are not done yet into batches. Rows that failed in
// an earlier run come after the rows that were never attempted.
func (r *results) batches(rows rowSeq, size int) iter.Seq2[importer.Batch, error] {
	return importer.Group(importer.Skip(rows, r.before.Has), size, r.before.Failed)
}

// note appends a line, which is on the disk when it returns.
func (r *results) note(o importer.Outcome) error {
	r.noted = true
	if err := r.writer.Write([]importer.Outcome{o}); err != nil {
		return err
	}
	return r.log.Sync()
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
	err := files.Replace(r.path, 0o600, func(w io.Writer) error {
		f, err := os.Open(r.path)
		if err != nil {
			return err
		}
		defer f.Close()
		return report.Compact(f, w, r.op, r.tenant, first)
	})
	if err != nil {
		return files.CantWrite(r.path, err)
	}
	return nil
}

// finish closes the file.
func (r *results) finish() error {
	if r.log == nil {
		return nil
	}
	err := r.log.Close()
	r.log = nil
	return err
}

// close closes the file. It removes a new file without lines.
func (r *results) close() {
	if r.log != nil && !r.resumed && !r.begun {
		r.log.Remove()
		r.log = nil
	}
	_ = r.finish() // a run that wrote lines has called finish and checked its error
}

// derived is a file that is made from the results when the run ends.
type derived struct {
	files.File
	header func(w io.Writer) error
	rows   func(results io.Reader, w io.Writer) error
	opened *os.File // a device or a pipe, open from the start of the run; otherwise nil
}

// begin opens the file and writes its header, if it is a device or a pipe.
func (d *derived) begin() (err error) {
	if d.Path == "" || !files.IsStream(d.Path) {
		return nil
	}
	if d.opened, err = files.OpenStream(d.Path); err == nil {
		err = d.header(d.opened)
	}
	if err != nil {
		return files.CantWrite(d.Path, err)
	}
	return nil
}

// write makes the file from the results.
func (d *derived) write(results string) error {
	if d.Path == "" {
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
		err = files.Replace(d.Path, 0o600, func(w io.Writer) error { return errors.Join(d.header(w), rows(w)) })
	}
	if err != nil {
		return files.CantWrite(d.Path, err)
	}
	return nil
}
