package main

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// imports says what a package may import: from this module and other modules only
// what is listed, where "/..." means all packages below a path; from the standard
// library everything except what is listed.
type imports struct {
	may, not []string
}

// A new dependency needs a change of this table, so a reviewer sees it.
var importTable = map[string]imports{
	"ratelimit": {
		may: []string{"golang.org/x/time/rate"},
		not: []string{"encoding/csv", "encoding/json", "flag", "os"},
	},
	"importer": {not: []string{"net/http", "encoding/csv", "flag", "os"}},
	"importer/csvfile": {
		may: []string{"importer", "github.com/gocarina/gocsv", "github.com/klauspost/compress/...", "golang.org/x/text/..."},
		not: []string{"net/http", "flag", "os"},
	},
	"importer/retry": {
		may: []string{"github.com/cenkalti/backoff/v5"},
		not: []string{"encoding/csv", "flag", "os"},
	},
	"importer/auth0": {
		may: []string{"importer", "importer/retry", "github.com/golang-jwt/jwt/v5", "golang.org/x/oauth2/..."},
		not: []string{"flag", "os"},
	},
	"importer/auth0/auth0test":   {},
	"importer/internal/fakehttp": {},
	"report": {
		may: []string{"importer", "github.com/gocarina/gocsv"},
		not: []string{"net/http", "flag", "os"},
	},
	"report/internal/reporttest": {may: []string{"importer", "report"}},
	"report/page": {
		may: []string{"importer", "report"},
		not: []string{"net/http", "flag", "os"},
	},
	"samples": {not: []string{"net/http", "flag", "os"}},
	"cmd/orgimport/internal/diff": {
		may: []string{"importer", "importer/auth0", "report"},
		not: []string{"flag", "net/http", "os"},
	},
	"cmd/orgimport/internal/doctor": {
		may: []string{"ratelimit"},
		not: []string{"encoding/csv", "flag", "os"},
	},
	"cmd/orgimport/internal/files": {
		may: []string{"github.com/gofrs/flock"},
		not: []string{"encoding/csv", "flag", "net/http", "os/signal"},
	},
	"cmd/orgimport/internal/tenancy": {
		may: []string{"importer/auth0", "importer/retry", "ratelimit", "report"},
		not: []string{"encoding/csv", "flag", "os", "os/signal"},
	},
	"cmd/orgimport/internal/job": {
		may: []string{
			"cmd/orgimport/internal/files", "cmd/orgimport/internal/tenancy",
			"importer", "importer/auth0", "importer/csvfile", "report",
		},
		not: []string{"flag", "os/signal"},
	},
	"cmd/orgimport": {
		may: []string{
			"cmd/orgimport/internal/diff", "cmd/orgimport/internal/doctor", "cmd/orgimport/internal/files", "cmd/orgimport/internal/job",
			"cmd/orgimport/internal/tenancy",
			"importer", "importer/csvfile", "importer/retry", "importer/auth0", "importer/auth0/auth0test",
			"ratelimit", "report", "report/page", "samples",
			"github.com/agnivade/levenshtein", "github.com/alecthomas/kong", "github.com/compose-spec/compose-go/v2/dotenv", "github.com/lmittmann/tint",
			"github.com/schollz/progressbar/v3", "golang.org/x/sync/errgroup", "golang.org/x/term",
		},
	},
}

// TestImports checks the direction of the imports.
func TestImports(t *testing.T) {
	const root = "../.."
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || dir != root && strings.HasPrefix(name, ".") {
			return fs.SkipDir
		}
		pkg, err := build.ImportDir(dir, 0)
		if noGo := (*build.NoGoError)(nil); errors.As(err, &noGo) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		table, known := importTable[name]
		if !known {
			t.Errorf("package %s does not stand in the table", name)
		}
		for _, path := range pkg.Imports {
			own, isOwn := strings.CutPrefix(path, "orgimport/")
			switch module, _, _ := strings.Cut(path, "/"); {
			case !isOwn && !strings.Contains(module, "."): // the standard library
				if slices.Contains(table.not, path) {
					t.Errorf("package %s must not import %s", name, path)
				}
			case !slices.ContainsFunc(table.may, func(pattern string) bool { return matches(pattern, own) }):
				t.Errorf("package %s may not import %s", name, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOnlyCmdReadsItsSurroundings: all other packages get values as arguments.
func TestOnlyCmdReadsItsSurroundings(t *testing.T) {
	all, err := filepath.Glob("internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	surroundings := regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|Args|Exit|Std(in|out|err))\b|\bsignal\.|\bfmt\.Print`)
	for _, name := range all {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := surroundings.FindString(string(content)); found != "" && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s uses %s", name, found)
		}
	}
}

// matches reports whether the pattern is the path, or ends in "/..." and is above
// it.
func matches(pattern, path string) bool {
	above, tree := strings.CutSuffix(pattern, "/...")
	return path == above || tree && strings.HasPrefix(path, above+"/")
}
