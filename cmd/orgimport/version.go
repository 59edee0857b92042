package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintf(c.stdout, "orgimport %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// release is set by the build of an image, where the toolchain has no repository
// to read a version from.
var release string

// version returns the release, or what the Go toolchain stamped into the binary:
// the module's version, or the commit of the checkout.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
