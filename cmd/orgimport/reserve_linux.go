package main

import (
	"errors"
	"os"
	"syscall"
)

const fallocKeepSize = 1 // FALLOC_FL_KEEP_SIZE: the file's length stays

// reserve takes room on the disk behind the end of f, so that writes up to
// there can't fail for want of it. A filesystem that can't do that is let be.
func reserve(f *os.File, from, n int64) error {
	err := syscall.Fallocate(int(f.Fd()), fallocKeepSize, from, n)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ESPIPE) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}
