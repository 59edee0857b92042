package job

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// results is the results file of a run. A line is in the file when the writer
// returns, and on the disk a second later.
type results struct {
	path, tenant string
	op           importer.Op
	kept         []string
	before       *report.Journal // what earlier runs finished
	found        fs.FileInfo     // the file when before was read; nil: the run makes it
	started      bool            // lines are being written; until then the file is unchanged
	mayRepeat    bool            // a row may have two lines

	log    *files.Log // nil while a resumed file is unchanged
	writer *report.Writer
}

// openResults opens the results file. It returns an error if the file exists,
// unless the run is to resume from it.
func openResults(path, tenant string, resume bool, op importer.Op, kept []string) (*results, error) {
	r := &results{path: path, tenant: tenant, op: op, kept: kept, before: &report.Journal{}}
	var err error
	if r.found, err = os.Stat(path); resume && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, files.CantWrite(path, err)
		}
		if r.before, err = r.read(io.Discard); err == nil {
			r.kept = r.before.Kept
		}
		return r, err
	}
	log, err := files.Create(path)
	if err != nil {
		return nil, err
	}
	if err := r.use(log); err != nil {
		log.Remove()
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
	if _, wrong := errors.AsType[*report.WrongFileError](err); wrong {
		return nil, failed(WrongResults, "can't resume from %s: %w", r.path, err)
	}
	if err != nil {
		return nil, files.CantWrite(r.path, err)
	}
	return before, nil
}

// use continues with log, which holds the results so far. A run that was killed may
// have left it without a header.
func (r *results) use(log *files.Log) error {
	r.log, r.writer = log, report.NewWriter(log, r.op.Args, r.kept)
	if log.Empty() {
		return r.writer.WriteHeader()
	}
	return nil
}

// begin prepares the file for new lines. It drops the lines of a resumed file that
// are not to be kept. The file is whole at any moment: the old one, or the new one.
func (r *results) begin() error {
	if r.found == nil {
		r.started = true
		return nil
	}
	if !files.Unchanged(r.path, r.found) {
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
	if err != nil {
		return err
	}
	r.started = true
	return r.use(log)
}

// note appends a line, which is on the disk when it returns.
func (r *results) note(o importer.Outcome) error {
	r.mayRepeat = true
	if err := r.writer.Write([]importer.Outcome{o}); err != nil {
		return err
	}
	return r.log.Sync()
}

// finish closes the file, and leaves one line for each row. If the run has come to
// the end of an input of which it has seen every row, it drops the lines of earlier
// runs for rows that are not done: it has written a new line for each of them that
// the input still has.
func (r *results) finish(whole bool) error {
	err := r.log.Close()
	r.log = nil
	if err != nil || r.found == nil && !r.mayRepeat { // no row can have two lines
		return err
	}
	first := 0
	if whole {
		first = r.before.Lines() + 1 // with the header
	}
	err = files.Replace(r.path, 0o600, func(w io.Writer) error {
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

// close closes the file. It removes a new file without lines.
func (r *results) close() {
	switch {
	case r.log == nil:
	case r.started:
		_ = r.log.Close()
	default:
		r.log.Remove()
	}
	r.log = nil
}

// ReadJournal reads what earlier runs of an operation have finished, without
// changing their results. If the tenant is empty, they may be of any tenant. Without
// a file, there was no earlier run.
func ReadJournal(path, tenant string, op importer.Op) (*report.Journal, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &report.Journal{}, nil
	}
	if err != nil {
		return nil, failed(Unusable, "can't read the results: %w", err)
	}
	defer f.Close()
	text, err := openToContinue(f)
	if err != nil {
		return nil, err
	}
	return report.Resume(text, io.Discard, op, tenant, nil)
}

// OpenResults opens the results of a run, even if a spreadsheet has saved them since.
// It returns an error if they lack one of the columns.
func OpenResults(r io.Reader, columns ...string) (*csvfile.ResultsText, error) {
	text, err := csvfile.OpenResults(r)
	if err != nil {
		return nil, err
	}
	return text, text.Lacks(columns...)
}

// openToContinue opens results that a run is going to add lines to.
func openToContinue(f *os.File) (*csvfile.ResultsText, error) {
	text, err := OpenResults(f, importer.ResultColumns()...)
	if err == nil && text.Compression != "" {
		err = &Error{
			Reason: Unusable, Path: f.Name(), Unpack: map[string]string{"gzip": "gunzip", "zstd": "unzstd"}[text.Compression],
			Err: errors.New("the file is compressed, and a run can't add lines to it"),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return text, nil
}

// openEarlier opens the results of earlier runs, if there are any that can be read.
// [Create] returns the error of those that can't.
func openEarlier(path string) (*os.File, *report.Reader) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	if text, err := openToContinue(f); err == nil {
		if lines, err := report.NewReader(text); err == nil {
			return f, lines
		}
	}
	f.Close()
	return nil, nil
}

// Extract is a file that is made from the results when a run ends.
type Extract struct {
	files.File
	head   func(w io.Writer, args, kept []string) error
	rows   func(results io.Reader, w io.Writer) error
	stream io.WriteCloser // a device or a pipe, open from the start of the run; otherwise nil
}

// NewExtract returns an extract that begins with what head writes, which is given
// the names of the columns that follow those of all results; nil: nothing. rows writes
// the rest.
func NewExtract(f files.File, head func(w io.Writer, args, kept []string) error, rows func(results io.Reader, w io.Writer) error) *Extract {
	if head == nil {
		head = func(io.Writer, []string, []string) error { return nil }
	}
	return &Extract{File: f, head: head, rows: rows}
}

// ResultsHead writes the header of results.
func ResultsHead(w io.Writer, args, kept []string) error {
	return report.NewWriter(w, args, kept).WriteHeader()
}

// open opens a device or a pipe and writes the head, so that one that can't be
// written is found before anything is sent.
func (x *Extract) open(r *results) error {
	if x.Path == "" || !files.IsStream(x.Path) {
		return nil
	}
	f, err := files.OpenStream(x.Path)
	if err == nil {
		x.stream = f
		err = x.head(f, r.op.Args, r.kept)
	}
	if err != nil {
		return files.CantWrite(x.Path, err)
	}
	return nil
}

// write makes the file from the results.
func (x *Extract) write(r *results) error {
	if x.Path == "" {
		return nil
	}
	rows := func(w io.Writer) error {
		f, err := os.Open(r.path)
		if err != nil {
			return err
		}
		defer f.Close()
		return x.rows(f, w)
	}
	var err error
	if x.stream != nil {
		err = errors.Join(rows(x.stream), x.stream.Close())
	} else {
		err = files.Replace(x.Path, 0o600, func(w io.Writer) error { return errors.Join(x.head(w, r.op.Args, r.kept), rows(w)) })
	}
	if err != nil {
		return files.CantWrite(x.Path, err)
	}
	return nil
}
