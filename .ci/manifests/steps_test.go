package manifests

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// binary is the path of orgimport, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "orgimport")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "orgimport")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/orgimport")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// node runs the steps of a pod as a kubelet does, as far as orgimport can tell: the
// environment and the arguments are those of the manifest, and folders stand for the
// volumes.
type node struct {
	t       *testing.T
	name    string            // of the pod
	index   string            // of an Indexed Job
	configs map[string]string // of the config map
	volumes string            // a folder of folders, named like the volumes
	fetch   func(path string) // stands for a step that is not orgimport; path is of its --output
}

// run runs the steps until one fails, and returns its exit code, or 0, and what
// orgimport printed.
func (n *node) run(pod core.PodSpec) (code int, printed string) {
	n.t.Helper()
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		env := n.env(c)
		expand := expansion.MappingFuncFor(env)
		var args []string
		for _, arg := range c.Args {
			args = append(args, expansion.Expand(arg, expand))
		}
		folders := map[string]string{}
		for _, mount := range c.VolumeMounts {
			folders[mount.MountPath] = filepath.Join(n.volumes, mount.Name, expansion.Expand(mount.SubPathExpr, expand))
		}
		inFolder := func(path string) string {
			for mountPath, folder := range folders {
				path = strings.Replace(path, mountPath+"/", folder+"/", 1)
			}
			return path
		}
		if !strings.Contains(c.Image, "orgimport") {
			n.fetch(inFolder(args[slices.Index(args, "--output")+1]))
			continue
		}
		path, err := binary()
		if err != nil {
			n.t.Fatal(err)
		}
		cmd := exec.Command(path, args...)
		cmd.Dir = folders["/data"] // where the image is
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+inFolder(value))
		}
		out, err := cmd.CombinedOutput()
		printed += string(out)
		if exit, ended := errors.AsType[*exec.ExitError](err); ended {
			return exit.ExitCode(), printed
		}
		if err != nil {
			n.t.Fatal(err)
		}
	}
	return 0, printed
}

// env returns the environment of a container.
func (n *node) env(c core.Container) map[string]string {
	env := map[string]string{}
	if len(c.EnvFrom) > 0 {
		maps.Copy(env, n.configs)
	}
	for _, v := range c.Env {
		switch {
		case v.ValueFrom == nil:
			env[v.Name] = expansion.Expand(v.Value, expansion.MappingFuncFor(env))
		case v.ValueFrom.FieldRef == nil: // of a secret, for a step that is not orgimport
		case v.ValueFrom.FieldRef.FieldPath == "metadata.name":
			env[v.Name] = n.name
		default:
			env[v.Name] = n.index
		}
	}
	return env
}

// serve serves a simulated tenant until the end of the test.
func serve(t *testing.T, args ...string) (address string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"tenant", "--listen", "127.0.0.1:0", "--latency", "0s"}, args...)...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at := strings.Index(lines.Text(), "http://127.0.0.1:"); at >= 0 {
			return strings.Fields(lines.Text()[at:])[0]
		}
	}
	t.Fatal("the tenant does not say where it listens")
	return ""
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTenantsOfAnIndexedJob runs the pods of tenants.yaml. One has a bad row, which
// does not affect the others.
func TestTenantsOfAnIndexedJob(t *testing.T) {
	job := load(t).tenants.Spec
	volumes := t.TempDir()
	for index := range int(*job.Completions) {
		bad := ""
		if index == 1 {
			bad = "org_a,auth0|unknown\n"
		}
		secret := filepath.Join(volumes, "secret", fmt.Sprint(index))
		put(t, secret+".domain", serve(t)+"\n")
		put(t, secret+".client-id", "client\n")
		put(t, secret+".client-secret", "s3cret\n")
		put(t, filepath.Join(volumes, "data", fmt.Sprint(index), "members.csv"), "org_id,user_id\norg_a,auth0|1\norg_a,auth0|2\n"+bad)
	}
	for try := range 2 { // a second pod of an index continues where the first one stopped
		for index, want := range []int{0, 1, 0} {
			n := &node{t: t, name: fmt.Sprintf("orgimport-tenants-%d-%d", index, try), index: fmt.Sprint(index), volumes: volumes}
			if code, printed := n.run(job.Template.Spec); code != want {
				t.Errorf("tenant %d ends with %d, not %d:\n%s", index, code, want, printed)
			}
			results := read(t, filepath.Join(volumes, "data", fmt.Sprint(index), "results.csv"))
			if got := strings.Count(results, ",added,"); got != 2 {
				t.Errorf("%d rows of tenant %d are in, not 2:\n%s", got, index, results)
			}
		}
	}
}
