package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// file is a file that a command reads or writes, with the name that people know
// it by: its flag, or "the input".
type file struct{ name, path string }

// checkOutputs returns an error if an output is the same file as an input or
// another output, however they are spelt or linked, or if an output is a folder.
// It opens nothing. It ignores devices and pipes: they hold nothing that could be
// overwritten.
func (c *console) checkOutputs(inputs, outputs []file) error {
	type place struct {
		file
		real   string
		info   fs.FileInfo // nil if nothing is there
		output bool
	}
	var places []place
	for i, f := range append(inputs[:len(inputs):len(inputs)], outputs...) {
		if f.path == "" {
			continue
		}
		p := place{file: f, output: i >= len(inputs)}
		p.info, p.real = c.stat(f.path, p.output)
		if p.output && p.info != nil && p.info.IsDir() {
			return usagef("name a file in it", "%s %s is a folder", f.name, f.path)
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
				return usagef("give it another name", "%s %s is %s itself", f.name, f.path, q.name)
			default:
				return usagef("give each its own file", "%s %s and %s %s are the same file", q.name, q.path, f.name, f.path)
			}
		}
		places = append(places, p)
	}
	return nil
}

// stat returns what is at path, and the path that its links lead to. The input
// "-" is standard input.
func (c *console) stat(path string, output bool) (fs.FileInfo, string) {
	if path == "-" && !output {
		if f, ok := c.stdin.(*os.File); ok {
			if info, err := f.Stat(); err == nil {
				return info, path
			}
		}
		return nil, path
	}
	real, _ := follow(path)
	info, err := os.Stat(real)
	if err != nil {
		return nil, real
	}
	return info, real
}

// followLink returns path, or [linkTarget] of it if it is a link.
func followLink(path string) string {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path
	}
	return linkTarget(path)
}

// linkTarget returns the path that the links at path lead to, whether or not the
// file exists. If they lead to something [special], it returns path.
func linkTarget(path string) string {
	if real, replaceable := follow(path); replaceable {
		return real
	}
	return path
}

// follow returns where the links at path lead, and whether a new file may replace
// what is there. A device or a pipe must not be replaced, nor a file that is open
// already, such as the target of /dev/stdout: the process that holds it open
// would then write to a file without a name.
func follow(path string) (real string, replaceable bool) {
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

// proveWritable makes sure that f can be written and that the disk has some room,
// and leaves no trace. Its error has the exit code missing if the folder does not
// exist, and [exitStopped] otherwise.
func proveWritable(f file, missing int) error {
	if special(f.path) {
		return nil
	}
	tmp, err := createPart(linkTarget(f.path))
	if err == nil {
		err = errors.Join(reserve(tmp, 0, 2*headroom), tmp.Close(), os.Remove(tmp.Name()))
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return &exitError{missing, fmt.Errorf("can't write %s: its folder does not exist", f.path), "make the folder, or name another file with " + f.name}
	}
	if err != nil {
		return writeError(f.path, err)
	}
	return nil
}

// special reports whether path leads to something that must be written to without
// replacing it, such as a device or a pipe.
func special(path string) bool {
	_, replaceable := follow(path)
	return !replaceable
}

// openSpecial opens a device or a pipe for writing, or the file that standard
// output goes to. A pipe without a reader is an error: waiting for one could take
// forever.
func openSpecial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is a pipe without a reader")}
	}
	return f, err
}

// replaceFile replaces the file at path atomically, even across a power cut: path
// has either its old content or all that write wrote. It follows links, and keeps
// the mode of an existing file; a new file gets the given mode. It writes directly
// to a device or a pipe.
func replaceFile(path string, mode fs.FileMode, write func(w io.Writer) error) (err error) {
	if special(path) {
		f, err := openSpecial(path)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	path = linkTarget(path)
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

// createPart creates the temporary file, of mode 0600, for a new version of path.
func createPart(path string) (*os.File, error) {
	dir, begin := partOf(path)
	return os.CreateTemp(dir, begin+"*.part")
}

// partOf returns the folder of the temporary files for path, and how their names
// begin.
func partOf(path string) (dir, begin string) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	return dir, "." + base[:min(len(base), 200)] + "." // names are limited to 255 bytes
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

// writeError returns the error of a run that can't write one of its files.
func writeError(path string, err error) error {
	return cantWrite(path, err, "make room, and make sure that the folder is writable, then continue with --resume")
}

func cantWrite(path string, err error, hint string) error {
	if known, ok := errors.AsType[*exitError](err); ok && known.code == exitStopped {
		return known // it already says what happened, and has a better hint
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &exitError{exitStopped, fmt.Errorf("can't write %s: %w", path, err), hint}
}
