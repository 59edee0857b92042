package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/report"
)

const lastSuccess = "orgimport_last_success_timestamp_seconds"

// metrics holds gauges in the order in which they were set. It does without a
// Prometheus registry, which is made for programs that are scraped.
type metrics struct {
	labels   []*dto.LabelPair // of every gauge
	families []*dto.MetricFamily
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// set adds a gauge with the labels of all gauges and its own. Calls with the same
// name must follow each other.
func (m *metrics) set(name, help string, value float64, own ...*dto.LabelPair) {
	gauge := &dto.Metric{Label: append(own, m.labels...), Gauge: &dto.Gauge{Value: &value}}
	if n := len(m.families); n > 0 && m.families[n-1].GetName() == name {
		m.families[n-1].Metric = append(m.families[n-1].Metric, gauge)
		return
	}
	m.families = append(m.families, &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{gauge}})
}

// writeMetrics writes a file for the textfile collector of Prometheus' node
// exporter, whole or not at all. The time of the last success is carried over
// from the file that was there before, unless this run is one.
func writeMetrics(path string, s *report.Summary, tenant, results string) error {
	// Two jobs on one machine write two files, and their series must differ.
	m := metrics{labels: []*dto.LabelPair{label("results", results), label("tenant", tenant)}}
	m.set("orgimport_exit_code", "Exit code of the last run.", float64(s.ExitCode))
	m.set("orgimport_last_run_timestamp_seconds", "When the last run ended.", float64(s.Finished.Unix()))
	m.set("orgimport_duration_seconds", "How long the last run took.", s.Finished.Sub(s.Started).Seconds())
	m.set("orgimport_requests", "Requests of the last run.", float64(s.Requests))
	m.set("orgimport_requests_refused", "Requests of the last run that were answered with 429.", float64(s.Refused))
	m.set("orgimport_waited_seconds", "How long the last run waited for the tenant's limit.", s.Waited.Seconds())
	rows := s.Rows()
	for _, status := range slices.Sorted(maps.Keys(rows)) {
		m.set("orgimport_rows", "Rows of the input by status.", float64(rows[status]), label("status", status))
	}
	success, known := float64(s.Finished.Unix()), true
	if s.ExitCode != exitDone {
		success, known = successBefore(path, m.labels)
	}
	if known {
		m.set(lastSuccess, "When a run last ended with exit code 0.", success)
	}
	// The node exporter reads the file as another user.
	return files.Replace(path, 0o644, func(w io.Writer) error {
		for _, family := range m.families {
			if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
				return err
			}
		}
		return nil
	})
}

// successBefore reads the time of the last success from an earlier file.
func successBefore(path string, labels []*dto.LabelPair) (at float64, known bool) {
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

// hasLabels reports whether m has exactly the given labels, in this order.
func hasLabels(m *dto.Metric, labels []*dto.LabelPair) bool {
	return slices.EqualFunc(m.GetLabel(), labels, func(a, b *dto.LabelPair) bool {
		return a.GetName() == b.GetName() && a.GetValue() == b.GetValue()
	})
}
