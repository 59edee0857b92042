package main

import (
	"bytes"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"orgimport/report"
)

const lastSuccess = "orgimport_last_success_timestamp_seconds"

// writeMetrics writes a file for the textfile collector of Prometheus' node
// exporter, whole or not at all. The time of the last success is carried over
// from the file that was there before, unless this run is one.
func writeMetrics(path string, s *report.Summary, tenant, results string) error {
	registry := prometheus.NewRegistry()
	// Two jobs on one machine write two files, and their series must differ.
	labels := prometheus.Labels{"tenant": tenant, "results": results}
	set := func(name, help string, value float64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
		g.Set(value)
		registry.MustRegister(g)
	}
	set("orgimport_exit_code", "Exit code of the last run.", float64(s.ExitCode))
	set("orgimport_last_run_timestamp_seconds", "When the last run ended.", float64(s.Finished.Unix()))
	set("orgimport_duration_seconds", "How long the last run took.", s.Finished.Sub(s.Started).Seconds())
	set("orgimport_requests", "Requests of the last run.", float64(s.Requests))
	set("orgimport_requests_refused", "Requests of the last run that were answered with 429.", float64(s.Refused))
	set("orgimport_waited_seconds", "How long the last run waited for the tenant's limit.", s.Waited.Seconds())
	rows := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orgimport_rows", Help: "Rows of the input by what became of them.", ConstLabels: labels,
	}, []string{"status"})
	registry.MustRegister(rows)
	for status, n := range s.Rows() {
		rows.WithLabelValues(status).Set(float64(n))
	}
	success, known := float64(s.Finished.Unix()), true
	if s.ExitCode != exitDone {
		success, known = successBefore(path, labels)
	}
	if known {
		set(lastSuccess, "When a run last ended with exit code 0.", success)
	}
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	// The node exporter, which reads it, is another user.
	return replaceFile(path, 0o644, func(w io.Writer) error {
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
				return err
			}
		}
		return nil
	})
}

// successBefore reads the time of the last success from an earlier file.
func successBefore(path string, labels prometheus.Labels) (at float64, known bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil || families[lastSuccess] == nil {
		return 0, false
	}
	for _, m := range families[lastSuccess].GetMetric() {
		if hasLabels(m, labels) {
			return m.GetGauge().GetValue(), true
		}
	}
	return 0, false
}

func hasLabels(m *dto.Metric, labels prometheus.Labels) bool {
	for _, pair := range m.GetLabel() {
		if labels[pair.GetName()] != pair.GetValue() {
			return false
		}
	}
	return true
}
