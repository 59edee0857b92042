//go:build !linux

package files

import "os"

// reserve does nothing on systems other than Linux.
func reserve(*os.File, int64, int64) error { return nil }
