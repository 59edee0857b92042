package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Input is a file or a pipe that is read.
type Input struct {
	io.Reader
	file *os.File // nil for a pipe
	info fs.FileInfo
	name string
	read atomic.Int64 // bytes

	head   *bytes.Buffer // what was read from a pipe that may still be spooled
	remove bool          // the file is a spooled copy, to be removed
}

// Open opens a file for reading; "-" is stdin. Reading from a pipe or a
// terminal, which may block forever, stops when ctx ends.
func Open(ctx context.Context, path string, stdin io.Reader) (*Input, error) {
	if path == "-" {
		return &Input{Reader: interruptible(ctx, stdin), name: "standard input"}, nil
	}
	f, err := openFile(ctx, path)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, problem(NotReadable, File{"", path}, "can't read the input: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err != nil {
		return nil, problem(NotReadable, File{"", path}, "can't read %s: %w", path, errors.Join(err, f.Close()))
	}
	in := &Input{Reader: f, name: path}
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

// Name returns the name of the input for messages.
func (in *Input) Name() string { return in.name }

// Read counts the bytes read. It keeps them after [Input.Remember].
func (in *Input) Read(p []byte) (int, error) {
	n, err := in.Reader.Read(p)
	in.read.Add(int64(n))
	if in.head != nil {
		in.head.Write(p[:n])
	}
	return n, err
}

// Close closes a file. A pipe stays open until the program ends.
func (in *Input) Close() error {
	if in.file == nil {
		return nil
	}
	err := in.file.Close()
	if in.remove {
		err = errors.Join(err, os.Remove(in.file.Name()))
	}
	return err
}

// Progress returns how many bytes have been read, and of how many: 0 if that is
// not known. It may be called concurrently.
func (in *Input) Progress() (read, size int64) {
	if in.file != nil {
		size = in.info.Size()
	}
	return in.read.Load(), size
}

// IsFile reports whether the input is a regular file or spooled, so that it can be
// read again.
func (in *Input) IsFile() bool { return in.file != nil }

// Again returns the whole content once more. The input must be a file: see
// [Input.IsFile].
func (in *Input) Again() io.Reader { return io.NewSectionReader(in.file, 0, in.info.Size()) }

// Changed reports whether a regular file was changed or replaced since it was
// opened.
func (in *Input) Changed() bool {
	if in.file == nil {
		return false
	}
	if now, err := in.file.Stat(); err != nil || changed(in.info, now) {
		return true
	}
	there, err := os.Stat(in.file.Name()) // a file that was removed could still be read to its end
	return err == nil && changed(in.info, there)
}

// Unchanged reports whether the file at path is still the one that before describes,
// and as it was then.
func Unchanged(path string, before fs.FileInfo) bool {
	now, err := os.Stat(path)
	return err == nil && !changed(before, now)
}

func changed(before, now fs.FileInfo) bool {
	return !os.SameFile(before, now) || now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime())
}

// Remember makes Read keep what it reads from a pipe, so that the pipe can still
// be spooled after its header has been read.
func (in *Input) Remember() {
	if in.file == nil {
		in.head = new(bytes.Buffer)
	}
}

// Forget drops what was read from a pipe that will not be spooled.
func (in *Input) Forget() { in.head = nil }

// Spool copies a pipe to a file, so that it can be read more than once. The file
// is in the folder of the file beside, or in the one for temporary files if beside
// is empty. Other users can't read it. It is unlinked at once where the system
// allows that, otherwise by Close.
func (in *Input) Spool(beside string) (err error) {
	if in.file != nil {
		return nil
	}
	dir, place := "", File{"in", os.TempDir()}
	if beside != "" {
		dir, place = filepath.Dir(target(beside)), File{"beside", beside}
	}
	defer func() {
		if err != nil {
			err = problem(NotSpooled, place, "can't keep %s to read it twice: %w", in.name, err)
		}
	}()
	all := in.Reader
	if in.head != nil {
		all = io.MultiReader(in.head, in.Reader)
		in.head = nil
	}
	if in.file, err = os.CreateTemp(dir, ".orgimport-*.spool"); err != nil {
		return err
	}
	in.remove = os.Remove(in.file.Name()) != nil
	if _, err := io.Copy(in.file, all); err != nil {
		return err
	}
	if in.info, err = in.file.Stat(); err != nil {
		return err
	}
	in.Reader = in.Again()
	return nil
}
