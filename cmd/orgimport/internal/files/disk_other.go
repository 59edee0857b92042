//go:build !linux

package files

import "os"

// reserve does nothing on systems other than Linux.
func reserve(*os.File, int64, int64) error { return nil }

// LostWithContainer reports whether what is written to a path is lost with the
// container of this process, as far as that can be known: never.
func LostWithContainer(string) bool { return false }
