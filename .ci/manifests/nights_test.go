package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// night is the input of a night, and how it ends.
type night struct {
	what string
	file []string // users of the one organization, as the file has them
	code int
	then []string // who is a member then
}

// users returns auth0|FROM to auth0|TO.
func users(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprintf("auth0|%03d", i))
	}
	return ids
}

func nights() []night {
	withUnknown := append(users(3, 102), "auth0|unknown")
	return []night{
		{"everybody joins", users(1, 100), 0, users(1, 100)},
		{"nothing is new", users(1, 100), 0, users(1, 100)},
		{"two join and two leave", users(3, 102), 0, users(3, 102)},
		{"a row is bad, as is known", withUnknown, 0, users(3, 102)},
		{"half of the file is missing", users(3, 50), 4, users(3, 102)},
		{"it is there again, with one more", users(3, 103), 0, users(3, 103)},
		{"no row is left", nil, 0, users(3, 103)}, // it has no organization, so it says nothing about any
	}
}

func (n night) csv(header string) string {
	text := header + "\n"
	for _, user := range n.file {
		text += "org_a," + user + "\n"
	}
	return text
}

// members returns the members of a tenant.
func members(t *testing.T, address string) (ids []string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "export", "org_a", "--quiet")
	cmd.Env = []string{"AUTH0_DOMAIN=" + address, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] {
		ids = append(ids, strings.Split(line, ",")[2])
	}
	return ids
}

// seven runs seven nights.
func seven(t *testing.T, address string, run func(night int, n night) (code int, printed string)) {
	t.Helper()
	for i, n := range nights() {
		code, printed := run(i, n)
		if code != n.code {
			t.Errorf("%s: it ends with %d, not %d:\n%s", n.what, code, n.code, printed)
		}
		if got := members(t, address); !slices.Equal(got, n.then) {
			t.Errorf("%s: %d members are not the %d from %s on:\n%s", n.what, len(got), len(n.then), n.then[0], printed)
		}
	}
}

// TestNightsInKubernetes runs the steps of cronjob.yaml. The names of files contain
// the name of the pod, so each retry starts from the beginning.
func TestNightsInKubernetes(t *testing.T) {
	k := load(t)
	address := serve(t)
	volumes := t.TempDir()
	put(t, filepath.Join(volumes, "secret", "client-secret"), "s3cret\n")
	if err := os.Mkdir(filepath.Join(volumes, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name := range k.config.Data {
		if name != "AUTH0_DOMAIN" && name != "AUTH0_CLIENT_ID" {
			t.Errorf("the config map has %s", name)
		}
	}
	seven(t, address, func(i int, n night) (int, string) {
		return (&node{
			t: t, name: fmt.Sprintf("orgimport-nightly-%d-abcde", i), volumes: volumes,
			configs: map[string]string{"AUTH0_DOMAIN": address, "AUTH0_CLIENT_ID": "client"},
			fetch:   func(path string) { put(t, path, n.csv("org_id,user_id")) },
		}).run(k.cronJob.Spec.JobTemplate.Spec.Template.Spec)
	})
}

// TestNightsOfCronAndSystemd runs what both of them run. Variables about columns
// apply to members.csv, and not to the files between the steps.
func TestNightsOfCronAndSystemd(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for header, columns := range map[string][]string{
		"org_id,user_id": nil,
		"team,person": {
			"ORGIMPORT_ORG_COLUMN=team", "ORGIMPORT_USER_COLUMN=person", "ORGIMPORT_ORG_BY=org_id", "ORGIMPORT_USER_BY=user_id",
		},
	} {
		address := serve(t)
		dir := t.TempDir()
		seven(t, address, func(_ int, n night) (int, string) {
			put(t, filepath.Join(dir, "members.csv"), n.csv(header))
			cmd := nightly(t, dir, filepath.Dir(path))
			cmd.Env = append(cmd.Env, columns...)
			cmd.Env = append(cmd.Env, "AUTH0_DOMAIN="+address, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret")
			out, _ := cmd.CombinedOutput()
			return cmd.ProcessState.ExitCode(), string(out)
		})
	}
}

// nightly returns the steps of a night in a folder, with the orgimport in bin.
func nightly(t *testing.T, dir, bin string) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs(samples + "nightly")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	return cmd
}

// TestSignalWaitsForTheStep sends SIGTERM to all processes of a night, as systemd
// does: the current step finishes, and its exit code is that of the night.
func TestSignalWaitsForTheStep(t *testing.T) {
	dir := t.TempDir()
	const step = "#!/bin/sh\ntrap 'echo finished >step; exit 143' TERM\necho began >step\nwhile :; do sleep 0.05; done\n"
	put(t, filepath.Join(dir, "orgimport"), step)
	if err := os.Chmod(filepath.Join(dir, "orgimport"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := nightly(t, dir, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := false; !began; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(filepath.Join(dir, "step"))
		began = err == nil
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 || read(t, filepath.Join(dir, "step")) != "finished\n" {
		t.Errorf("the night ends with %d, and its step %s", code, read(t, filepath.Join(dir, "step")))
	}
}
