// Package files opens the files that a command reads, and writes the files that it
// leaves. A file is replaced as a whole, links and devices stay what they are, and
// no output is an input. The package knows nothing of rows.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// File is a file that a command reads or writes, with the name by which people
// know it: the flag that names it, or what it is.
type File struct{ Name, Path string }

// Named returns the file at path, known by name.
func Named(name, path string) File { return File{name, path} }

// Problem says what is wrong with a file.
type Problem int

const (
	IsFolder    Problem = iota // an output is a folder
	IsInput                    // an output is an input
	IsOutput                   // an output is another output
	NotRegular                 // a file that must be regular is a device, a pipe or a folder
	NoFolder                   // the folder of an output does not exist
	NotWritable                // an output can't be written; nothing has been sent
	NoReader                   // nobody reads the pipe that is an output
	WriteFailed                // an output can't be written any more
	Disturbed                  // something else has changed an output
	NotReadable                // an input can't be read
	NotSpooled                 // a pipe can't be copied, to be read twice
	Exists                     // an output exists, and must not be replaced
	LockHeld                   // another process holds the lock
	LockFailed                 // the lock file can't be made
)

// Error is a problem with a file.
type Error struct {
	Problem Problem
	File    File  // its Name may be empty
	Err     error // what happened
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

func problem(p Problem, f File, format string, args ...any) error {
	return &Error{p, f, fmt.Errorf(format, args...)}
}

// CantWrite returns the error of a file that can't be written any more because of
// err. It returns an err that says so already as it is.
func CantWrite(path string, err error) error { return cantWrite(WriteFailed, File{"", path}, err) }

func cantWrite(p Problem, f File, err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if in, ok := errors.AsType[*fs.PathError](err); ok {
		err = in.Err
	}
	return problem(p, f, "can't write %s: %w", f.Path, err)
}

// Check returns an error if an output is the same file as an input or another
// output, however they are spelt or linked, or if an output is a folder. It opens
// nothing, and ignores files without a path. It ignores devices and pipes too: they
// hold nothing that could be overwritten. The path "-" of an input is stdin, if that
// is a file.
func Check(stdin any, inputs, outputs []File) error {
	type place struct {
		File
		real   string
		info   fs.FileInfo // nil if nothing is there
		output bool
	}
	var places []place
	for i, f := range append(inputs[:len(inputs):len(inputs)], outputs...) {
		if f.Path == "" {
			continue
		}
		p := place{File: f, real: f.Path, output: i >= len(inputs)}
		if f.Path != "-" || p.output {
			p.real, _ = resolve(f.Path)
			p.info, _ = os.Stat(p.real)
		} else if in, ok := stdin.(*os.File); ok {
			p.info, _ = in.Stat()
		}
		if p.output && p.info != nil && p.info.IsDir() {
			return problem(IsFolder, f, "%s %s is a folder", f.Name, f.Path)
		}
		if p.info != nil && !p.info.Mode().IsRegular() {
			continue
		}
		for _, q := range places {
			same := p.real == q.real
			if p.info != nil && q.info != nil {
				same = os.SameFile(p.info, q.info)
			}
			switch {
			case !same || !p.output:
			case !q.output:
				return problem(IsInput, f, "%s %s is %s itself", f.Name, f.Path, q.Name)
			default:
				return problem(IsOutput, f, "%s %s and %s %s are the same file", q.Name, q.Path, f.Name, f.Path)
			}
		}
		places = append(places, p)
	}
	return nil
}

// IsStream reports whether path leads to something that is written to without
// replacing it, such as a device or a pipe.
func IsStream(path string) bool {
	_, replaceable := resolve(path)
	return !replaceable
}

// Target returns the path that the links at path lead to, whether or not the file
// exists. If path is no link, or leads to a device or a pipe, it returns path.
func Target(path string) string {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path
	}
	return target(path)
}

// target is [Target] with the links in the folders above path followed too.
func target(path string) string {
	if real, replaceable := resolve(path); replaceable {
		return real
	}
	return path
}

// resolve returns where the links at path lead, and whether a new file may replace
// what is there. A device or a pipe must not be replaced, nor a file that is open
// already, such as the target of /dev/stdout: the process that holds it open
// would then write to a file without a name.
func resolve(path string) (real string, replaceable bool) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return path, false
	}
	replaceable = true
	for range 40 { // as many as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err == nil {
			dir, err = filepath.Abs(dir)
		}
		if err != nil {
			return path, replaceable
		}
		path = filepath.Join(dir, filepath.Base(path))
		target, err := os.Readlink(path)
		if err != nil {
			return path, replaceable
		}
		if ok, _ := filepath.Match("/proc/*/fd", dir); ok {
			replaceable = false
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return path, replaceable
}

// Lock keeps other processes away from what f stands for. It locks the file
// through the kernel, so the lock ends with the process, however that ends. If Lock
// creates the file, unlock removes it.
func Lock(f File) (unlock func(), err error) {
	if IsStream(f.Path) {
		return nil, problem(NotRegular, f, "%s %s is not a regular file", f.Name, f.Path)
	}
	_, err = os.Stat(f.Path)
	created := errors.Is(err, fs.ErrNotExist)
	for range 10 {
		l := flock.New(f.Path, flock.SetPermissions(0o600))
		locked, err := l.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, problem(NoFolder, f, "can't make the lock file %s: its folder does not exist", f.Path)
		}
		if err != nil {
			return nil, problem(LockFailed, f, "can't make the lock file: %w", err)
		}
		if !locked {
			break
		}
		if !isAt(f.Path, l) {
			_ = l.Unlock() // the previous run has just removed the file
			created = true
			continue
		}
		return func() {
			if created {
				_ = os.Remove(target(f.Path)) // still locked, so no other run relies on it
			}
			_ = l.Unlock()
		}, nil
	}
	return nil, problem(LockHeld, f, "another run holds the lock %s", f.Path)
}

// isAt reports whether the locked file is still the one at path.
func isAt(path string, l *flock.Flock) bool {
	ours, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}
