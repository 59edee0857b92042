package auth0

import (
	"net/http"
	"strings"
	"sync"

	"orgimport/importer"
)

// A 403 says that something is forbidden, but seldom to whom. Words about scopes or
// the client are about the run. With other words, and with none, it may be about a
// user or an organization: if the same client has done the same elsewhere, it is
// permitted to.
const (
	// orgForbidden is how many requests for one organization have to be refused in
	// a row for all others to be taken as refused: more than three batches.
	orgForbidden = 45
	// allForbidden is how many have to be refused in a row, no matter for whom, for
	// the permission to be taken as lost.
	allForbidden = 10 * orgForbidden
)

// forbidden counts the 403s since the last success.
type forbidden struct {
	mu        sync.Mutex
	permitted bool // something succeeded
	inARow    int
	byOrg     map[string]int // by the path of the organization
}

// vague reports whether the refusal forbids something and does not say to whom.
func (e *Error) vague() bool {
	return e.Status == http.StatusForbidden && e.Reach() == importer.ReachRun && !permission.MatchString(e.words())
}

// judge notes a 403 that is vague, and says how far it reaches.
func (f *forbidden) judge(e *Error) importer.Reach {
	f.mu.Lock()
	defer f.mu.Unlock()
	org := organizationOf(e.Path)
	if f.byOrg == nil {
		f.byOrg = make(map[string]int)
	}
	f.inARow++
	f.byOrg[org]++
	switch {
	case !f.permitted || f.inARow > allForbidden:
		return importer.ReachRun
	case f.byOrg[org] > orgForbidden:
		return importer.ReachOrg
	}
	return importer.ReachRow
}

// succeeded notes a success.
func (f *forbidden) succeeded(call *call) {
	if call.method == http.MethodGet {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.permitted, f.inARow = true, 0
	delete(f.byOrg, organizationOf(call.path))
}

// organizationOf returns the part of a path that names the organization.
func organizationOf(path string) string {
	rest, ok := strings.CutPrefix(path, organizationsPath+"/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}
