package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// undocumented are the settings of what Auth0 does not document that may interact,
// each by itself.
func undocumented() map[string]func(*auth0test.Undocumented) {
	return map[string]func(*auth0test.Undocumented){
		"mild":                   func(*auth0test.Undocumented) {},
		"unknown user 404":       func(u *auth0test.Undocumented) { u.UnknownUser = 404 },
		"unknown user 204":       func(u *auth0test.Undocumented) { u.UnknownUser = 204 },
		"partial":                func(u *auth0test.Undocumented) { u.Partial = true },
		"name all":               func(u *auth0test.Undocumented) { u.Naming = auth0test.NameAll },
		"name first":             func(u *auth0test.Undocumented) { u.Naming = auth0test.NameFirst },
		"name index":             func(u *auth0test.Undocumented) { u.Naming = auth0test.NameIndex },
		"1 member a request":     func(u *auth0test.Undocumented) { u.MaxMembers = 1 },
		"3 members a request":    func(u *auth0test.Undocumented) { u.MaxMembers = 3 },
		"member 409":             func(u *auth0test.Undocumented) { u.Readd = 409 },
		"unknown org, plain 404": func(u *auth0test.Undocumented) { u.UnknownOrg = auth0test.PlainNotFound },
		"unknown org, 400":       func(u *auth0test.Undocumented) { u.UnknownOrg = auth0test.BadOrganization },
		"one write at a time":    func(u *auth0test.Undocumented) { u.Concurrent = auth0test.Serial },
		"second write 409":       func(u *auth0test.Undocumented) { u.Concurrent = auth0test.Conflict },
	}
}

// TestGoodRowsAreInWhateverIsNotDocumented tests all settings by themselves, and
// these in pairs; every third pair, unless PROOF=full.
func TestGoodRowsAreInWhateverIsNotDocumented(t *testing.T) {
	t.Parallel()
	for _, u := range []auth0test.Undocumented{
		{Duplicate: 400}, {MaxMembers: -1}, {AnyContentType: true}, {BadJSON: auth0test.BodyHTML},
		{HeadersOn403: true}, {Next: auth0test.NextWhenMore}, {AddDelay: 10 * time.Second, RemoveDelay: 10 * time.Second},
		{Malformed: func(id string) bool { return len(id) < len("auth0|1234567") }},
	} {
		if err := rehearseUndocumented(t, u); err != nil {
			t.Errorf("%+v: %v", u, err)
		}
	}
	settings := undocumented()
	names := slices.Sorted(maps.Keys(settings))
	n := 0
	for i, a := range names {
		for _, b := range names[i:] {
			n++
			if n%3 != 0 && a != b && !proofInFull() {
				continue
			}
			first, second := settings[a], settings[b]
			var u auth0test.Undocumented
			first(&u)
			second(&u)
			if err := rehearseUndocumented(t, u); err != nil {
				t.Errorf("%s, %s: %v", a, b, err)
			}
		}
	}
}

// TestGoodRowsAreInWhateverRefusalsMean tests all combinations of the settings that
// matter to the search for a bad row; every third one, unless PROOF=full.
func TestGoodRowsAreInWhateverRefusalsMean(t *testing.T) {
	t.Parallel()
	n := 0
	for _, status := range []int{400, 404} {
		for _, partial := range []bool{false, true} {
			for _, naming := range []auth0test.Naming{auth0test.NameNone, auth0test.NameAll, auth0test.NameFirst, auth0test.NameIndex} {
				for _, readd := range []int{204, 409} {
					for _, concurrent := range []auth0test.Concurrent{auth0test.Parallel, auth0test.Conflict} {
						n++
						if n%3 != 0 && !proofInFull() {
							continue
						}
						u := auth0test.Undocumented{UnknownUser: status, Partial: partial, Naming: naming, Readd: readd, Concurrent: concurrent}
						if err := rehearseUndocumented(t, u); err != nil {
							t.Errorf("%+v: %v", u, err)
						}
					}
				}
			}
		}
	}
}

// rehearseUndocumented imports rows of every kind, some of them members before.
func rehearseUndocumented(t *testing.T, u auth0test.Undocumented) (err error) {
	t.Helper()
	good := proofLines(40, 3)
	in := newProofInput(append(mixed(11, good, 5, 3, 4, 3), "org_0000000000000001,nobar", "org_0000000000000002,nobar"))
	dir := memoryDir(t)
	input, path := filepath.Join(dir, "members.csv"), filepath.Join(dir, "results.csv")
	if err := os.WriteFile(input, in.csv, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{
			KnownOrg: exists, KnownUser: exists, Undocumented: u,
			Latency: auth0test.Uniform(20*time.Millisecond, 200*time.Millisecond),
			Limits:  proofLimit(auth0test.Limit{Size: 50, Per: 50, Interval: time.Second}),
		})
		members := map[string]bool{}
		for _, line := range good[:9] {
			orgID, userID, _ := bytes.Cut([]byte(line), []byte(","))
			tenant.AddMembers(string(orgID), string(userID))
			members[line] = true
		}
		code, _, said := inMemory(tenant, nil, "import", input, "--results", path)
		err = errors.Join(in.checkUndocumented(u, path, members), in.checkMembers(tenant), checkSummaryOf(said, path))
		if code != exitRows {
			err = errors.Join(err, fmt.Errorf("exit code %d: %s", code, said))
		}
	})
	return err
}

// checkUndocumented is checkResults with what the settings leave open: a user who
// is silently left out has the status added, because the tenant said so, and a user
// who was added by a refused request is a member when sent again.
func (in *proofInput) checkUndocumented(u auth0test.Undocumented, path string, members map[string]bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	got, err := readProofResults(string(content))
	if err != nil {
		return err
	}
	lines := bytes.Split(in.csv, []byte("\n"))
	var wrong []error
	for line, want := range in.want {
		status := got.status[line]
		row := string(lines[line-1])
		switch {
		case want == importer.Added && u.Readd == 409 && members[row]:
			want = importer.AlreadyMember
		case want == importer.Added && u.Readd == 409 && u.Partial && status == importer.AlreadyMember:
			want = status
		case want == importer.Failed && u.UnknownUser == 204 && status == importer.Added:
			want = status
		}
		if status != want {
			wrong = append(wrong, fmt.Errorf("line %d (%s) is told as %q, not as %s", line, row, status, want))
		}
	}
	if len(got.status) != len(in.want) {
		wrong = append(wrong, fmt.Errorf("%d lines for %d rows", len(got.status), len(in.want)))
	}
	return errors.Join(wrong...)
}

func checkSummaryOf(said, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return checkSummary(said, string(content))
}

// TestQuotaIsFilledAndToldOf: an organization with a quota is filled to its quota.
func TestQuotaIsFilledAndToldOf(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		const quota = 27
		in := newProofInput(proofLines(120, 3))
		tenant := newProofTenant(auth0test.Config{Undocumented: auth0test.Undocumented{MemberQuota: quota}})
		e := newProgram(t, tenant, in.csv).run(exitRows)
		for orgID := range in.members {
			if n := len(tenant.Members(orgID)); n != quota {
				t.Errorf("%s has %d members", orgID, n)
			}
		}
		terms, err := readSummary(e.stderr)
		if err != nil || terms["added"] != 3*quota || terms["failed"] != 3*(40-quota) {
			t.Errorf("%v: %v", terms, err)
		}
	})
}
