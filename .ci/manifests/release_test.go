package manifests

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// TestRelease reads the configuration with goreleaser's own reader, for which a
// field that does not exist is an error, and checks what the configuration
// promises.
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

// TestPackages builds the packages of a release, with a small file in place of the
// binary, and checks what they would install.
func TestPackages(t *testing.T) {
	project, err := config.Load("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	if out, err := exec.Command(".ci/generated", ".ci/bin/generated").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pack := project.NFPMs[0]
	if !slices.Equal(pack.Formats, []string{"deb", "rpm"}) {
		t.Errorf("packages are %q", pack.Formats)
	}
	contents := files.Contents{{Source: "LICENSE", Destination: pack.Bindir + "/orgimport", FileInfo: &files.ContentFileInfo{Mode: 0o755}}}
	for _, c := range pack.Contents {
		contents = append(contents, &files.Content{
			Source: c.Source, Destination: c.Destination, Type: c.Type, FileInfo: &files.ContentFileInfo{Mode: c.FileInfo.Mode},
		})
	}
	for _, format := range pack.Formats {
		packager, err := nfpm.Get(format)
		if err != nil {
			t.Fatal(err)
		}
		info := nfpm.WithDefaults(&nfpm.Info{
			Name: project.ProjectName, Arch: "amd64", Version: "1.2.3",
			Maintainer: pack.Maintainer, Description: pack.Description, License: pack.License,
			Overridables: nfpm.Overridables{
				Contents: contents, Recommends: pack.Recommends,
				Scripts: nfpm.Scripts{PostInstall: pack.Scripts.PostInstall},
			},
		})
		path := filepath.Join(t.TempDir(), "orgimport."+format)
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(packager.Package(info, out), out.Close()); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if format == "deb" {
			checkPackage(t, path)
		}
	}
}

// checkPackage checks the files that a package installs, as dpkg lists them.
func checkPackage(t *testing.T, path string) {
	t.Helper()
	list, err := exec.Command("dpkg-deb", "--contents", path).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no dpkg-deb here to ask")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, list)
	}
	for _, want := range []string{
		"-rwxr-xr-x .*/usr/bin/orgimport", "-rwxr-xr-x .*/usr/bin/orgimport-nightly",
		"-rw-r--r-- .*/usr/lib/systemd/system/orgimport.service", "-rw-r--r-- .*/usr/lib/systemd/system/orgimport.timer",
		"-rw-r--r-- .*/usr/lib/sysusers.d/orgimport.conf", "-rw-r--r-- .*/usr/share/man/man1/orgimport.1.gz",
		"-rw-r--r-- .*/usr/share/bash-completion/completions/orgimport", "-rw-r--r-- .*/usr/share/fish/vendor_completions.d/orgimport.fish",
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).Match(list) {
			t.Errorf("the package has no %s:\n%s", want, list)
		}
	}
}

// TestReleaseCanBeChecked: a download can be checked for who made it, and of what.
func TestReleaseCanBeChecked(t *testing.T) {
	project, err := config.Load("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Signs) != 1 || project.Signs[0].Artifacts != "checksum" {
		t.Errorf("the checksums are not signed: %+v", project.Signs)
	}
	if len(project.SBOMs) != 1 || project.SBOMs[0].Artifacts != "archive" {
		t.Errorf("nothing says what the archives are made of: %+v", project.SBOMs)
	}
}
