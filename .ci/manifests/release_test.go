package manifests

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

// TestRelease has goreleaser's own reader look at its configuration: a field that
// does not exist is an error. And it holds the configuration to what it promises.
func TestRelease(t *testing.T) {
	project, err := config.Load("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	build := project.Builds[0]
	for _, goos := range []string{"linux", "darwin", "windows"} {
		if !slices.Contains(build.Goos, goos) {
			t.Errorf("there is no binary for %s", goos)
		}
	}
	if !slices.Contains(build.Env, "CGO_ENABLED=0") {
		t.Error("the binaries are not static")
	}
	if _, err := os.Stat("../../" + build.Main); err != nil {
		t.Error(err)
	}
	// The release copies what its image is made of; docker build leaves out what
	// .dockerignore names.
	file, err := os.Open("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, in := strings.CutPrefix(lines.Text(), "!")
		name, _, _ = strings.Cut(name, "/")
		if in && name != ".git" && !slices.Contains(project.DockersV2[0].ExtraFiles, name) {
			t.Errorf("the image of a release lacks %s", name)
		}
	}
}
