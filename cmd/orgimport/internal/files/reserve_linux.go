package files

import (
	"errors"
	"os"
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
