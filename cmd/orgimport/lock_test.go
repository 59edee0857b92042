package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLinksToResultsHaveOneLock(t *testing.T) {
	dir := t.TempDir()
	results, link := filepath.Join(dir, "results.csv"), filepath.Join(dir, "link.csv")
	if err := os.Symlink(results, link); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock((&resultFlags{Results: results}).lockPath())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock((&resultFlags{Results: link}).lockPath()); exitOf(err).code != exitLocked {
		t.Errorf("a second run over %s: %v", link, err)
	}
	unlock()
	again, err := lock((&resultFlags{Results: link}).lockPath())
	if err != nil {
		t.Fatal(err)
	}
	again()
}
