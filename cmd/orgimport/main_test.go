package main

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// Most tests here wait for processes and servers.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	checks := "20"
	if proofInFull() {
		checks = "2000"
	} else { // a fifth of the time went to collecting small heaps, and only full proofs measure memory
		debug.SetGCPercent(400)
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"orgimport": main})
}

// TestScripts runs the scripts in testdata: what people type and see.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("AUTH0_CLIENT_ID", "client")
			env.Setenv("AUTH0_CLIENT_SECRET", "s3cret")
			env.Setenv("NL", "\n")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"tenant":  tenantInScript,
			"network": networkInScript,
			"exits":   exitsInScript,
			"status":  statusInScript,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
