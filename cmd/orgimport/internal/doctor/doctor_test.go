package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// meet returns a Doctor, and a tenant of these organizations and another one. It answers
// the first requests of a method with the faults for that method, except for those
// about members.
func meet(faults map[string][]auth0test.Fault, organizations ...auth0test.Organization) (*Doctor, *auth0test.Tenant) {
	tenant := auth0test.New(auth0test.Config{
		NoAuth: true, Organizations: append(organizations, auth0test.Organization{ID: "org_0123456789abcdef", Name: "acme"}), Users: auth0test.MakeUsers(MinUsers),
		Fault: func(r *http.Request, _ int) (f auth0test.Fault) {
			if left := faults[r.Method]; len(left) > 0 && !strings.HasSuffix(r.URL.Path, "/members") {
				f, faults[r.Method] = left[0], left[1:]
			}
			return f
		},
	})
	var users []string
	for _, u := range auth0test.MakeUsers(MinUsers) {
		users = append(users, u.ID)
	}
	return &Doctor{Tenant: &url.URL{Scheme: "https", Host: "acme.eu.auth0.com"}, Base: tenant, Users: users, Name: NewName()}, tenant
}

func answers(status, n int) []auth0test.Fault {
	return slices.Repeat([]auth0test.Fault{{Status: status}}, n)
}

// TestWhatWasLeftIsDeleted, unless the tenant refuses to: then the error says why.
func TestWhatWasLeftIsDeleted(t *testing.T) {
	lost := auth0test.Fault{Cut: auth0test.Reset, Applied: true}
	for name, test := range map[string]struct {
		faults map[string][]auth0test.Fault
		want   string // the error; empty: it is deleted
	}{
		"at once":                     {nil, ""},
		"when the tenant is up again": {map[string][]auth0test.Fault{http.MethodDelete: answers(503, 7)}, ""},
		"with a lost answer":          {map[string][]auth0test.Fault{http.MethodDelete: {lost}}, ""},
		"after a conflict":            {map[string][]auth0test.Fault{http.MethodDelete: answers(409, 2)}, ""},
		"after the limit":             {map[string][]auth0test.Fault{http.MethodGet: answers(429, 1), http.MethodDelete: answers(429, 1)}, "the tenant refused requests for a limit that its headers do not show"},
		"after the limit at last":     {map[string][]auth0test.Fault{http.MethodDelete: answers(429, 1)}, ""},
		"with a token that may not":   {map[string][]auth0test.Fault{http.MethodDelete: answers(403, 5)}, "the token lacks the scope delete:organizations"},
		"against the tenant's will":   {map[string][]auth0test.Fault{http.MethodDelete: answers(409, 5)}, "the tenant refused its deletion: 409 "},
		"without looking for it":      {map[string][]auth0test.Fault{http.MethodGet: answers(400, 1)}, "the tenant refused the search for the organization "},
		"in silence":                  {map[string][]auth0test.Fault{http.MethodGet: answers(503, 3)}, "the tenant did not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := auth0test.Organization{ID: "org_1234567890abcdef", Name: "orgimport-doctor-0123abcd"}
				d, tenant := meet(test.faults, left)
				d.Name = left.Name
				began := time.Now()
				_, err := d.Delete(t.Context())
				if test.want == "" && (err != nil || len(tenant.Organizations()) > 1) {
					t.Errorf("%v is left: %v", tenant.Organizations(), err)
				}
				if test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("the error is %v, not %s", err, test.want)
				}
				if took := time.Since(began); took > timeToDelete {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d, _ := meet(nil)
		if found, err := d.Delete(t.Context()); found || err != nil {
			t.Errorf("found %v: %v", found, err)
		}
	})
}

// TestDoctorThatCantBegin says why, and leaves nothing.
func TestDoctorThatCantBegin(t *testing.T) {
	for name, test := range map[string]struct {
		faults map[string][]auth0test.Fault
		is     func(error) bool
	}{
		"the name is taken":         {map[string][]auth0test.Fault{http.MethodPost: answers(409, 1)}, func(err error) bool { return errors.Is(err, errNameTaken) }},
		"it is refused":             {map[string][]auth0test.Fault{http.MethodPost: answers(400, 1)}, isA[*RefusedError]},
		"the token lacks the scope": {map[string][]auth0test.Fault{http.MethodPost: answers(403, 1)}, isA[*LacksScopeError]},
		"there is no answer":        {map[string][]auth0test.Fault{http.MethodPost: answers(503, 9)}, isA[GaveUpError]},
		"it can't be looked for":    {map[string][]auth0test.Fault{http.MethodPost: answers(503, 3), http.MethodGet: answers(403, 1)}, isA[*LacksScopeError]},
		"the limit is not shown":    {map[string][]auth0test.Fault{http.MethodPost: answers(429, 1)}, isA[GaveUpError]},
		"it can't be deleted": {map[string][]auth0test.Fault{http.MethodDelete: answers(403, 5)}, func(err error) bool {
			return isA[*LeftBehindError](err) && strings.HasPrefix(err.Error(), "left behind: orgimport-doctor-") && strings.HasSuffix(err.Error(), "the token lacks the scope delete:organizations")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, tenant := meet(test.faults)
				found, err := d.Run(t.Context())
				if err == nil || !test.is(err) {
					t.Errorf("the error is %v", err)
				}
				if left := len(tenant.Organizations()) - 1; (left > 0) != isA[*LeftBehindError](err) || d.MayExist() != (left > 0) {
					t.Errorf("%d organizations are left, and one may: %v", left, d.MayExist())
				}
				if len(found.Questions) != len(Questions()) {
					t.Errorf("%d questions have an answer or a reason", len(found.Questions))
				}
			})
		})
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestRoundestLimit(t *testing.T) {
	for _, test := range []struct {
		span
		n        int
		interval time.Duration
	}{
		{span{1.9, 2.3}, 2, time.Second},
		{span{0.95, 1.1}, 1, time.Second},
		{span{2.6, 3.2}, 160, time.Minute},
		{span{1.5, 1.7}, 100, time.Minute},
		{span{2.49, 2.51}, 150, time.Minute},
		{span{0.0101, 0.0104}, 37, time.Hour},
	} {
		if n, interval := test.round(); n != test.n || interval != test.interval {
			t.Errorf("%v is %d in %s, not %d in %s", test.span, n, interval, test.n, test.interval)
		}
	}
}

// TestStatusThatSaysNothing: a redirect is no answer to a question.
func TestStatusThatSaysNothing(t *testing.T) {
	for status, told := range map[int]bool{204: true, 200: false, 302: false, 400: true, 499: true, 503: false} {
		r := Report{answers: make(map[*Question]Answer)}
		r.answerStatus(qTwice, exchange{status: status})
		if a := r.answers[qTwice]; a.Told != told || !told && a.WhyNot != fmt.Sprintf("it was answered %d", status) {
			t.Errorf("%d is told as %+v", status, a)
		}
	}
}
