package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

// TestResultsThatGoWithTheContainer runs in a namespace like a container's: with
// its own layer, and the program as process 1.
func TestResultsThatGoWithTheContainer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(auth0test.New(auth0test.Config{}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	for _, name := range []string{"lower", "upper", "work", "root", "volume"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "lower", "members.csv"), sampleRows)
	contained := func(command string) (string, error) {
		const layer = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && cd root && exec "
		cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-c", layer+command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "AUTH0_DOMAIN="+server.URL, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := contained("true"); err != nil {
		t.Skip("no container can be made here: ", err, out)
	}
	const warning = "results.csv is in the container's own layer, and is lost with the container: mount a volume for it"
	for args, warned := range map[string]bool{
		"import members.csv": true,
		"import members.csv --results ../volume/results.csv": false,
	} {
		out, err := contained("orgimport " + args)
		if err != nil || strings.Contains(out, warning) != warned {
			t.Errorf("orgimport %s: %v, a warning is expected %v\n%s", args, err, warned, out)
		}
	}
}
