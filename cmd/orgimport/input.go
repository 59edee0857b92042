package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// dialectFlags say how to read the input. What they leave open is detected.
type dialectFlags struct {
	OrgColumn   string `help:"Header of the column with the organization (default: org_id, organization_id, org, organization, org_name or organization_name)." placeholder:"NAME" group:"input"`
	UserColumn  string `help:"Header of the column with the user (default: user_id, userid, sub, user, email, mail, user_email or email_address)." placeholder:"NAME" group:"input"`
	Org         string `help:"Organization of every row, by id or name, for a file that has only users." placeholder:"ORG" group:"input"`
	OrgBy       string `help:"What the organization column holds: org_id, name, display_name or metadata.KEY (default: what its header says)." placeholder:"KEY" group:"input"`
	UserBy      string `help:"What the user column holds: user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH (default: what its header says)." placeholder:"KEY" group:"input"`
	Connection  string `help:"Connection to look users up in if a row does not name them by id; a column named connection takes precedence." placeholder:"NAME" group:"input"`
	Delimiter   string `help:"Column separator: a comma, ; | or tab, or auto to detect it." default:"auto" placeholder:"CHAR" group:"input"`
	Encoding    string `help:"Encoding of the file: utf-8, utf-16, utf-16le, utf-16be, windows-1252, or auto to detect it." enum:"auto,utf-8,utf-16,utf-16le,utf-16be,windows-1252" default:"auto" placeholder:"NAME" group:"input"`
	KeepColumns bool   `help:"Copy the other columns to the results." group:"input"`
}

// Validate is called by kong when all flags are read.
func (d *dialectFlags) Validate() error {
	if _, ok := delimiters[d.Delimiter]; !ok {
		return errors.New(`--delimiter must be auto, "," ";" "|" or tab`)
	}
	if d.Org != "" && d.OrgColumn != "" {
		return errors.New("--org and --org-column can't be used together")
	}
	if !knownKey(d.OrgBy, []string{"org_id", "name", "display_name"}, "metadata.") {
		return errors.New("--org-by must be org_id, name, display_name or metadata.KEY")
	}
	if !knownKey(d.UserBy, []string{"user_id", "email", "username", "phone_number"}, "app_metadata.", "user_metadata.") {
		return errors.New("--user-by must be user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH")
	}
	return nil
}

// knownKey reports whether key is empty, one of keys, or one of prefixes followed
// by a path.
func knownKey(key string, keys []string, prefixes ...string) bool {
	return key == "" || slices.Contains(keys, key) || slices.ContainsFunc(prefixes, func(prefix string) bool {
		return strings.HasPrefix(key, prefix) && len(key) > len(prefix)
	})
}

var delimiters = map[string]rune{"auto": 0, ",": ',', ";": ';', "|": '|', "\t": '\t', "tab": '\t', `\t`: '\t'}

func (d *dialectFlags) dialect() csvfile.Dialect {
	encoding := d.Encoding
	if encoding == "auto" {
		encoding = ""
	}
	return csvfile.Dialect{
		Delimiter:  delimiters[d.Delimiter],
		Encoding:   encoding,
		OrgColumn:  d.OrgColumn,
		UserColumn: d.UserColumn,
		OrgID:      d.Org,
		OrgBy:      d.OrgBy,
		UserBy:     d.UserBy,
		Connection: d.Connection,
		Keep:       d.KeepColumns,
	}
}

// withIDs rejects the rows that name their organization or user by something
// other than an id and were not looked up.
func withIDs(rows rowSeq, byAddress bool) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		if row.Keys != nil && (row.OrgID == "" || !byAddress) {
			row.Err = errors.New("the row has no id for its organization or its user, and nothing is looked up")
		}
	})
}

// input is the file or the pipe with the rows.
type input struct {
	io.Reader
	file *os.File // nil for a pipe
	info fs.FileInfo
	name string
	read atomic.Int64 // bytes read so far

	head   *bytes.Buffer // what was read from a pipe that may still be spooled
	remove bool          // the file is a spooled copy, to be removed
}

// openInput opens a file; "-" is standard input. Reading from a pipe or a
// terminal, which may block forever, stops when ctx ends.
func openInput(ctx context.Context, c *console, path string) (*input, error) {
	if path == "-" {
		return &input{Reader: interruptible(ctx, c.stdin), name: "standard input"}, nil
	}
	f, err := openFile(ctx, path)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		hint := ""
		if similar := similarFile(path); similar != "" && errors.Is(err, fs.ErrNotExist) {
			hint = "did you mean " + similar + "?"
		}
		return nil, usagef(hint, "can't read the input: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err != nil {
		return nil, usagef("name a CSV file", "can't read %s: %w", path, errors.Join(err, f.Close()))
	}
	in := &input{Reader: f, name: path}
	if info.Mode().IsRegular() {
		in.file, in.info = f, info
	} else {
		in.Reader = interruptible(ctx, f)
	}
	return in, nil
}

// openFile opens a file, unless ctx ends first: opening a named pipe blocks until
// its other end is opened, which may be never.
func openFile(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.file, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Read counts the bytes read. It keeps them after [input.remember].
func (in *input) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	in.read.Add(int64(n))
	if in.head != nil {
		in.head.Write(p[:n])
	}
	return n, err
}

// Close closes the file. A pipe stays open until the program ends.
func (in *input) Close() error {
	if in.file == nil {
		return nil
	}
	err := in.file.Close()
	if in.remove {
		err = errors.Join(err, os.Remove(in.file.Name()))
	}
	return err
}

// size returns the number of bytes to read, or 0 if it is not known.
func (in *input) size() int64 {
	if in.file == nil {
		return 0
	}
	return in.info.Size()
}

// changed reports whether a regular file was changed or replaced since it was
// opened.
func (in *input) changed() bool {
	if in.file == nil {
		return false
	}
	now, err := in.file.Stat()
	if err != nil || now.Size() != in.info.Size() || !now.ModTime().Equal(in.info.ModTime()) {
		return true
	}
	there, err := os.Stat(in.file.Name()) // a file that was removed could still be read to its end
	return err == nil && !os.SameFile(there, now)
}

// reread returns the whole input once more. The input must be a regular file, or
// a pipe that was spooled.
func (in *input) reread() io.Reader { return io.NewSectionReader(in.file, 0, in.info.Size()) }

// remember makes Read keep what it reads from a pipe, so that the pipe can still
// be spooled after its header has been read.
func (in *input) remember() {
	if in.file == nil {
		in.head = new(bytes.Buffer)
	}
}

// spool copies a pipe to a file, so that it can be read more than once. The file
// is in the folder of the file beside, or in the one for temporary files if beside
// is empty. Other users can't read it. It is unlinked at once where the system
// allows that, otherwise by Close.
func (in *input) spool(beside string) error {
	dir, room := "", "make room in "+os.TempDir()
	if beside != "" {
		dir, room = filepath.Dir(linkTarget(beside)), "make room beside "+beside
	}
	if err := in.copyTo(dir); err != nil {
		return &exitError{exitStopped, fmt.Errorf("can't keep %s to read it twice: %w", in.name, err), room}
	}
	return nil
}

// copyTo copies a pipe to a file in dir, from which it is then read.
func (in *input) copyTo(dir string) error {
	if in.file != nil {
		return nil
	}
	all := in.Reader
	if in.head != nil {
		all = io.MultiReader(in.head, in.Reader)
		in.head = nil
	}
	f, err := os.CreateTemp(dir, ".orgimport-*.spool")
	if err != nil {
		return err
	}
	gone := os.Remove(f.Name()) == nil
	in.file, in.remove = f, !gone
	if _, err := io.Copy(f, all); err != nil {
		return err
	}
	if in.info, err = f.Stat(); err != nil {
		return err
	}
	in.Reader = in.reread()
	return nil
}

// scan reads a regular file to its end before its rows are sent, and calls each
// with every row that prepared returns. It returns the number of rows, and the
// notes about the file. It returns nothing for a pipe, or if ctx ends.
func (in *input) scan(ctx context.Context, d csvfile.Dialect, prepared func(*csvfile.Table) rowSeq, each func(importer.Row)) (rows int64, notes []csvfile.Note) {
	if in.file == nil {
		return 0, nil
	}
	table, err := csvfile.Open(in.reread(), d)
	if err != nil {
		return 0, nil
	}
	for row, err := range prepared(table) {
		if err != nil || ctx.Err() != nil {
			return 0, nil // the run reports the error when it gets there
		}
		rows++
		each(row)
	}
	return rows, table.Notes()
}

// interruptible returns a reader of r that fails when ctx ends, even while a read
// of r blocks.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { pr.CloseWithError(context.Cause(ctx)) })
	return pr
}
