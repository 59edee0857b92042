package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
