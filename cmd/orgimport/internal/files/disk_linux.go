package files

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

const fallocKeepSize = 1 // FALLOC_FL_KEEP_SIZE: the file's length stays

// reserve allocates room on the disk for n bytes of f at from, so that writing
// them can't fail for lack of room. It does nothing on a filesystem that can't do
// that.
func reserve(f *os.File, from, n int64) error {
	err := syscall.Fallocate(int(f.Fd()), fallocKeepSize, from, n)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ESPIPE) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}

const overlay = 0x794c7630 // OVERLAYFS_SUPER_MAGIC

// LostWithContainer reports whether what is written to a path is lost with the
// container of this process: the process is the first one there, and the path is on
// the container's own layer, not on a volume.
func LostWithContainer(path string) bool {
	var disk syscall.Statfs_t
	return os.Getpid() == 1 && syscall.Statfs(filepath.Dir(Target(path)), &disk) == nil && disk.Type == overlay
}
