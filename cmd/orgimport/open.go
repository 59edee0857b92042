package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// checkFiles compares all files of the run with each other.
func (j *job) checkFiles() error {
	inputs := []files.File{files.Named("the input", j.file)}
	for _, name := range secretFiles() {
		inputs = append(inputs, files.Named(name, j.getenv(name)))
	}
	inputs = append(inputs, files.Named("--users", j.Users))
	if files.IsStream(j.Results) {
		return usagef("name a file", "--results %s is not a regular file, so no run could continue from it", j.Results)
	}
	return files.Check(j.stdin, inputs, append([]files.File{files.Named("--results", j.Results), files.Named("--lock", j.lockPath())}, j.sideFiles()...))
}

// derive lists the files that are made from the results.
func (j *job) derive() []*derived {
	return []*derived{
		{File: files.Named("--failures", j.Failures), header: j.writeHeader, rows: report.Failures},
	}
}

// sideFiles lists the files that are written beside the results.
func (j *job) sideFiles() []files.File {
	side := []files.File{files.Named("--summary", j.watchFlags.Summary), files.Named("--metrics", j.Metrics)}
	for _, d := range j.derived {
		side = append(side, d.File)
	}
	return side
}

// open opens everything, the cheapest first. It sends and writes nothing before
// it has read from the input, and sends nothing before it knows that all files
// can be written.
func (j *job) open(ctx context.Context) (err error) {
	if j.conn, err = j.connect(j.surroundings, j.paceFlags, &j.observer); err != nil {
		return err
	}
	var client *auth0.Client
	client, j.pace = j.conn.class()
	j.op = j.newOp(j, client)
	j.op.Ready = j.pace.Ready
	client.RunID = report.RunID(j.op.Prefix, j.conn.base.Host, j.jobFlags.dialect().By())
	if j.in, err = files.Open(ctx, j.file, j.stdin); err != nil {
		return err
	}
	j.closing = append(j.closing, func() { _ = j.in.Close() })
	if j.Resume {
		j.look.keys = keptColumns(j.Results)
	}
	if err := j.openTable(ctx); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	for _, f := range j.sideFiles() {
		if err := files.Prove(f); err != nil {
			j.unwritable = f.Path
			return err
		}
	}
	if err := files.Prove(files.Named("--results", j.Results)); err != nil {
		return err
	}
	unlock, err := files.Lock(files.Named("--lock", j.lockPath()))
	if err != nil {
		return err
	}
	j.closing = append(j.closing, unlock)
	if err := j.collect(ctx); err != nil {
		return err
	}
	if err := j.openResults(); err != nil {
		return err
	}
	j.ui.notice("tenant "+j.conn.base.Host, j.ui.fields("tenant", j.conn.base.Host)...)
	j.log.Info(j.in.Name()+": "+j.table.String(), j.ui.fields("file", j.in.Name())...)
	return nil
}

// openTable reads the header of the input. If that is the header of results,
// openTable reads the input to its end first: to find out whether it holds the
// results of an earlier run, and, if the task reads its input twice, which
// operation wrote them.
func (j *job) openTable(ctx context.Context) (err error) {
	j.in.Remember()
	if j.readTwice {
		if err := j.in.Spool(j.Results); err != nil {
			return err
		}
	}
	j.table, err = csvfile.Open(j.in, j.dialect())
	if err != nil || !j.table.Results() {
		return err
	}
	if err := j.in.Spool(j.Results); err != nil {
		return err
	}
	ours, err := csvfile.IsResults(j.in.Again(), j.dialect())
	if err == nil && ours {
		err = j.table.Lacks(j.resultColumns...)
	}
	if err != nil {
		return err
	}
	j.plain = !ours
	if !ours || j.adjustDialect == nil || !j.readTwice {
		j.table, err = j.reopenTable()
		return err
	}
	d := j.dialect()
	d.Earlier = func(r csvfile.Result) error { return &originRow{r} }
	results, err := csvfile.Open(j.in.Again(), d)
	if err == nil {
		j.from, err = readOrigin(ctx, results, j.op.KeyOf, j.host())
	}
	if err == nil {
		err = j.adjustDialect(j, &d, j.from)
	}
	if err != nil {
		return usagef("", "%s: %w", j.in.Name(), err)
	}
	j.table, err = j.reopenTable()
	return err
}

// collect reads the input for keys to look up, if it may have any, and reopens it
// with their columns.
func (j *job) collect(ctx context.Context) (err error) {
	j.table, err = j.look.prepare(ctx, j.in, j.Results, j.table, j.reopenTable)
	j.total.Store(int64(j.look.rows))
	return err
}

// keptColumns returns the kept columns of a results file, if there is one.
func keptColumns(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := openToContinue(f)
	if err != nil {
		return nil // openResults returns the error
	}
	r, err := report.NewReader(text)
	if err != nil {
		return nil // openResults returns the error
	}
	return r.Kept
}

// openResults opens the results and the files that are made from them.
func (j *job) openResults() (err error) {
	_, statErr := os.Stat(j.Results)
	if j.Resume && !errors.Is(statErr, fs.ErrNotExist) {
		j.out, err = resumeResults(j.Results, j.conn.base.Host, j.op, j.table.Kept)
	} else {
		j.out, err = createResults(j.Results, j.conn.base.Host, j.op, j.table.Kept)
	}
	if err != nil {
		return err
	}
	j.closing = append(j.closing, j.out.close)
	before := j.out.before.Settled()
	j.guard.anyDone = before > 0
	j.summary.ContinueFrom(j.out.before)
	j.done.Store(int64(before))
	for _, d := range j.derived {
		if err := d.begin(); err != nil {
			return err
		}
	}
	return nil
}

// close releases everything, in reverse order.
func (j *job) close() {
	for i := len(j.closing) - 1; i >= 0; i-- {
		j.closing[i]()
	}
}

func (j *job) writeHeader(w io.Writer) error {
	return report.NewWriter(w, j.op.Args, j.table.Kept).WriteHeader()
}
