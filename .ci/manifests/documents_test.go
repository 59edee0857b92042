package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../"

// documents returns the names of the documents, from the root.
func documents(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "*.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestLinksLeadSomewhere follows each link of a document to a file of the
// repository, and to the heading in it that the link names.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|src="([^"]+)"`)
	links := 0
	for _, document := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, root+document), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") {
				continue
			}
			links++
			path, anchor, named := strings.Cut(target, "#")
			if path == "" {
				path = filepath.Base(document)
			}
			path = filepath.Join(root, filepath.Dir(document), path)
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", document, err)
			} else if named && !hasHeading(read(t, path), anchor) {
				t.Errorf("%s: %s has no heading #%s", document, path, anchor)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

// hasHeading reports whether a document has a heading with that anchor, as GitHub
// and GitLab derive it.
func hasHeading(document, anchor string) bool {
	for line := range strings.Lines(document) {
		heading, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !is || !strings.HasPrefix(line, "#") {
			continue
		}
		heading = regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
		if strings.ReplaceAll(heading, " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(read(t, root+"README.md"), "\n"); n > 200 {
		t.Errorf("it has %d lines; what is about a folder belongs into the README there", n)
	}
}
