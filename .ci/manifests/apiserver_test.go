package manifests

import (
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podapi "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
)

// refusals returns the errors of the API server for a manifest, from its defaults
// and its validation, without a server.
func refusals(t *testing.T, document string) field.ErrorList {
	t.Helper()
	object, _, err := legacyscheme.Codecs.UniversalDecoder().Decode([]byte(document), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	object.(meta.Object).SetNamespace("orgimport")
	switch o := object.(type) {
	case *batch.Job:
		// The server makes the selector while it stores the Job, out of the Job's UID.
		manual := true
		o.Spec.ManualSelector, o.Spec.Selector = &manual, &meta.LabelSelector{MatchLabels: o.Spec.Template.Labels}
		options := podapi.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil)
		return batchvalidation.ValidateJobCreate(o, batchvalidation.JobValidationOptions{PodValidationOptions: options})
	case *batch.CronJob:
		return batchvalidation.ValidateCronJobCreate(o, podapi.GetValidationOptionsFromPodTemplate(&o.Spec.JobTemplate.Spec.Template, nil))
	case *core.Pod:
		return corevalidation.ValidatePodCreate(o, podapi.GetValidationOptionsFromPodSpecAndMeta(&o.Spec, nil, &o.ObjectMeta, nil))
	case *core.PersistentVolumeClaim:
		return corevalidation.ValidatePersistentVolumeClaim(o, corevalidation.PersistentVolumeClaimSpecValidationOptions{})
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(o)
	}
	t.Fatalf("there is no validation of a %T", object)
	return nil
}
