package main

import (
	"flag"
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// Most tests here wait for a process that waits for a server.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"orgimport": main})
}

// TestImports keeps the direction of the imports. Whoever needs a new arrow
// changes this table, and so shows it to the reviewer.
func TestImports(t *testing.T) {
	for dir, may := range map[string]struct {
		imports []string // of ours
		not     []string // of others
	}{
		"ratelimit":                {},
		"importer":                 {not: []string{"net/http", "os", "flag", "github.com/schollz/progressbar/v3"}},
		"importer/auth0":           {imports: []string{"orgimport/importer"}},
		"importer/auth0/auth0test": {not: []string{"."}}, // std only
		"report":                   {imports: []string{"orgimport/importer"}, not: []string{"net/http", "os"}},
		"samples":                  {not: []string{"net/http", "os"}},
	} {
		pkg, err := build.ImportDir(filepath.Join("..", "..", dir), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range pkg.Imports {
			ours := strings.HasPrefix(path, "orgimport/")
			if ours && !slices.Contains(may.imports, path) {
				t.Errorf("%s imports %s", dir, path)
			}
			first, _, _ := strings.Cut(path, "/")
			for _, not := range may.not {
				if path == not || !ours && not != path && strings.Contains(first, not) {
					t.Errorf("%s imports %s", dir, path)
				}
			}
		}
	}
}

// TestScripts types what people type, and looks at what they see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("AUTH0_CLIENT_ID", "client")
			env.Setenv("AUTH0_CLIENT_SECRET", "s3cret")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"tenant": tenantInScript,
			"exits":  exitsInScript,
			"status": statusInScript,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
