package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"orgimport/importer/auth0"
)

// TestExportTellsOfADeletedOrganization: with a warning if all are exported, and
// with an exit code if it was named.
func TestExportTellsOfADeletedOrganization(t *testing.T) {
	gone := auth0.Roster{Organization: auth0.Organization{ID: "org_a"}, Absent: &auth0.ListError{Extent: auth0.Absent, Err: errors.New("no organization found")}}
	var log strings.Builder
	all := &exporting{observer: &observer{log: slog.New(slog.NewTextHandler(&log, nil))}}
	all.noteDeleted(gone)
	if !strings.Contains(log.String(), "org_a no longer exists: ") || all.unknownError() != nil {
		t.Errorf("it warns of %q, and ends with %v", log.String(), all.unknownError())
	}
	named := &exporting{named: []string{"acme"}}
	named.noteDeleted(gone)
	if e := exitOf(named.unknownError()); e.code != exitRows || !strings.Contains(e.Error(), "org_a") {
		t.Errorf("it ends with %d, %v", e.code, e)
	}
}
