// Package manifests checks the samples and the configuration of a release with the
// types of Kubernetes, the loader and the schema of Compose, the verifier of
// systemd, a parser of cron schedules, and goreleaser's reader. It also checks the
// links of the documents. It is a separate module, so that orgimport does not
// depend on any of these.
package manifests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/robfig/cron/v3"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const samples = "../../samples/"

// drain is the most time that an import takes to stop.
const drain = 25 * time.Second

// kubernetes is the objects in the manifests.
type kubernetes struct {
	config  core.ConfigMap
	claim   core.PersistentVolumeClaim
	files   core.Pod
	job     batch.Job
	cronJob batch.CronJob
	tenants batch.Job
}

// load reads the manifests, and fails on a field that does not exist.
func load(t *testing.T) (k kubernetes) {
	t.Helper()
	into := map[string][]any{
		"setup.yaml":   {&k.config, &k.claim},
		"files.yaml":   {&k.files},
		"job.yaml":     {&k.job},
		"cronjob.yaml": {&k.cronJob},
		"tenants.yaml": {&k.tenants},
	}
	paths, err := filepath.Glob(samples + "kubernetes/*")
	if err != nil || len(paths) != len(into) {
		t.Fatalf("there are %q, not %d files: %v", paths, len(into), err)
	}
	for _, path := range paths {
		documents := strings.Split(read(t, path), "\n---\n")
		objects := into[filepath.Base(path)]
		if len(documents) != len(objects) {
			t.Fatalf("%s has %d documents, want %d", path, len(documents), len(objects))
		}
		for i, document := range documents {
			if err := yaml.UnmarshalStrict([]byte(document), objects[i]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			for _, err := range refusals(t, document) {
				t.Errorf("%s: the API server refuses it: %v", path, err)
			}
		}
	}
	return k
}

func (k kubernetes) jobs() map[string]batch.JobSpec {
	return map[string]batch.JobSpec{"job": k.job.Spec, "cronjob": k.cronJob.Spec.JobTemplate.Spec, "tenants": k.tenants.Spec}
}

// TestRefusals spoils a manifest in ways that its types allow.
func TestRefusals(t *testing.T) {
	manifest := read(t, samples+"kubernetes/tenants.yaml")
	for _, spoil := range []struct{ old, new string }{
		{"completionMode: Indexed", "completionMode: NonIndexed"},
		{"restartPolicy: Never", "restartPolicy: OnFailure"},
		{"subPathExpr: $(JOB_COMPLETION_INDEX)", "subPathExpr: /$(JOB_COMPLETION_INDEX)"},
		{"values: [1, 2, 3, 4]", "values: [0, 1]"},
	} {
		spoiled := strings.Replace(manifest, spoil.old, spoil.new, 1)
		if spoiled == manifest || len(refusals(t, spoiled)) == 0 {
			t.Errorf("%q in place of %q is no error", spoil.new, spoil.old)
		}
	}
}

// TestJobsRetryWhatIsWorthIt tests all exit codes of orgimport.
func TestJobsRetryWhatIsWorthIt(t *testing.T) {
	for name, job := range load(t).jobs() {
		stop := batch.PodFailurePolicyActionFailJob
		if name == "tenants" { // the others go on
			stop = batch.PodFailurePolicyActionFailIndex
			if *job.MaxFailedIndexes != *job.Completions {
				t.Errorf("%d tenants may fail, of %d", *job.MaxFailedIndexes, *job.Completions)
			}
		}
		want := map[int32]batch.PodFailurePolicyAction{1: stop, 2: stop, 3: stop, 4: stop, 5: "Count", 6: "Count", 10: "Count", 143: "Count"}
		got := map[int32]batch.PodFailurePolicyAction{}
		for _, rule := range job.PodFailurePolicy.Rules {
			if rule.OnExitCodes == nil {
				continue
			}
			// A rule that names a container does not apply to the other steps of a
			// pod.
			if steps := len(job.Template.Spec.InitContainers); steps > 0 && rule.OnExitCodes.ContainerName != nil {
				t.Errorf("%s: a rule looks at %s only, of %d steps", name, *rule.OnExitCodes.ContainerName, steps+1)
			}
			for _, code := range rule.OnExitCodes.Values {
				if _, first := got[code]; !first {
					got[code] = rule.Action
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s takes exit codes as %v, want %v", name, got, want)
		}
		if job.Template.Spec.RestartPolicy != core.RestartPolicyNever {
			t.Errorf("%s: a podFailurePolicy needs restartPolicy Never", name)
		}
	}
}

func TestNightsDoNotOverlap(t *testing.T) {
	if got := load(t).cronJob.Spec.ConcurrencyPolicy; got != batch.ForbidConcurrent {
		t.Errorf("concurrencyPolicy is %q", got)
	}
}

// TestPodsHaveWhatTheyNameAndNoMore checks what the API server would not: that
// references exist, and that no pod has more privileges than it needs.
func TestPodsHaveWhatTheyNameAndNoMore(t *testing.T) {
	k := load(t)
	pods := map[string]core.PodSpec{"files": k.files.Spec}
	for name, job := range k.jobs() {
		pods[name] = job.Template.Spec
		if grace := time.Duration(*job.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace <= drain {
			t.Errorf("%s is killed %s after SIGTERM", name, grace)
		}
		checkSecret(t, name, job.Template.Spec)
	}
	for name, pod := range pods {
		if *pod.AutomountServiceAccountToken || !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser == nil {
			t.Errorf("%s has rights it does not need", name)
		}
		mounted := map[string]bool{}
		for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
			if s := container.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
				!slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
				t.Errorf("%s: container %s has rights it does not need", name, container.Name)
			}
			if len(container.Resources.Requests) != 2 || container.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources of %s are %+v", name, container.Name, container.Resources)
			}
			for _, mount := range container.VolumeMounts {
				mounted[mount.Name] = true
			}
			for _, from := range container.EnvFrom {
				if from.ConfigMapRef.Name != k.config.Name {
					t.Errorf("%s: no config map %s", name, from.ConfigMapRef.Name)
				}
			}
		}
		for _, volume := range pod.Volumes {
			if !mounted[volume.Name] {
				t.Errorf("%s: no container mounts %s", name, volume.Name)
			}
		}
		if got := pod.Volumes[0].PersistentVolumeClaim.ClaimName; got != k.claim.Name {
			t.Errorf("%s: no claim %s", name, got)
		}
	}
}

// checkSecret checks that a manifest says how to create the secret that its pods
// mount, and that no other user can read it there.
func checkSecret(t *testing.T, name string, pod core.PodSpec) {
	t.Helper()
	secret := pod.Volumes[1].Secret
	create := "kubectl create secret generic " + secret.SecretName + " --from-file="
	if !strings.Contains(read(t, samples+"kubernetes/setup.yaml")+read(t, samples+"kubernetes/"+name+".yaml"), create) {
		t.Errorf("%s: nothing says %q", name, create)
	}
	if *secret.DefaultMode != 0o440 {
		t.Errorf("%s: the secret has mode %o", name, *secret.DefaultMode)
	}
}

func TestNightlyJobsRunOnceADay(t *testing.T) {
	crontab := ""
	for line := range strings.Lines(read(t, samples+"crontab")) {
		if fields := strings.Fields(line); len(fields) > 6 && fields[0] != "#" {
			crontab = strings.Join(fields[:5], " ")
		}
	}
	spec := load(t).cronJob.Spec
	if _, err := time.LoadLocation(*spec.TimeZone); err != nil {
		t.Error(err)
	}
	for name, schedule := range map[string]string{"crontab": crontab, "cronjob": spec.Schedule} {
		parsed, err := cron.ParseStandard(schedule)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		first := parsed.Next(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
		if second := parsed.Next(first); second.Sub(first) != 24*time.Hour {
			t.Errorf("%s runs at %s, then at %s", name, first, second)
		}
	}
}

func TestComposeFile(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{samples + "compose.yaml"}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s has rights it does not need", name)
		}
		if service.Command[0] != "import" {
			continue
		}
		if service.StopGracePeriod == nil || time.Duration(*service.StopGracePeriod) <= drain {
			t.Errorf("%s is killed after %v", name, service.StopGracePeriod)
		}
		if !slices.Contains(service.Command, "--resume") {
			t.Errorf("%s does not go on with its results", name)
		}
	}
	// Plain HTTP goes to a loopback address only.
	if rehearsal := project.Services["rehearsal"]; rehearsal.NetworkMode != types.ServicePrefix+"tenant" {
		t.Errorf("the rehearsal does not share the loopback of the tenant: %q", rehearsal.NetworkMode)
	}
	if got := project.Services["import"].Environment["AUTH0_CLIENT_SECRET_FILE"]; *got != "/run/secrets/"+project.Services["import"].Secrets[0].Source {
		t.Errorf("the secret is looked for in %s", *got)
	}
}

// TestUnits verifies the units with systemd, with a program that every machine has
// in place of nightly.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd here to ask")
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no", "--recursive-errors=one"}
	for _, name := range []string{"orgimport.service", "orgimport.timer"} {
		unit := strings.ReplaceAll(read(t, samples+"systemd/"+name), "=orgimport-nightly", "=/bin/true")
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil || len(out) > 0 { // an unknown directive is only a warning
		t.Errorf("%v\n%s", err, out)
	}
}

// TestServiceTakesExitCodesForWhatTheyAre checks what the verifier does not.
func TestServiceTakesExitCodesForWhatTheyAre(t *testing.T) {
	service := read(t, samples+"systemd/orgimport.service")
	for directive, want := range map[string]string{
		"SuccessExitStatus": "6 143", "RestartForceExitStatus": "5", "User": "orgimport",
	} {
		if got := directiveOf(t, service, directive); got != want {
			t.Errorf("%s=%s, want %s", directive, got, want)
		}
	}
	if stop, err := time.ParseDuration(directiveOf(t, service, "TimeoutStopSec")); err != nil || stop <= drain {
		t.Errorf("it is killed %s after SIGTERM: %v", stop, err)
	}
}

// directiveOf returns the value of a directive that a unit has once.
func directiveOf(t *testing.T, unit, name string) (value string) {
	t.Helper()
	found := 0
	for line := range strings.Lines(unit) {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value, found = strings.TrimSpace(v), found+1
		}
	}
	if found != 1 {
		t.Fatalf("%s stands in the unit %d times", name, found)
	}
	return value
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
