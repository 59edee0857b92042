package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
)

// roleRow is a row of roles, given by their ids.
func roleRow(org, user string, roles ...string) importer.Row {
	return importer.Row{OrgID: org, UserID: user, Args: []string{strings.Join(roles, auth0.RoleSeparator)}}
}

// assign runs rows through the operation and returns the outcome of each, in
// their order.
func assign(t *testing.T, op importer.Op, workers int, rows ...importer.Row) []importer.Outcome {
	t.Helper()
	batches := func(yield func(importer.Batch, error) bool) {
		for i, row := range rows {
			row.Line = i + 2
			if !yield(importer.Batch{OrgID: row.OrgID, Rows: []importer.Row{row}}, nil) {
				return
			}
		}
	}
	outcomes := make([]importer.Outcome, len(rows))
	for answered, err := range importer.Run(t.Context(), batches, op, workers) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range answered {
			outcomes[o.Row.Line-2] = o
		}
	}
	return outcomes
}

func statuses(outcomes []importer.Outcome) (all []string) {
	for _, o := range outcomes {
		text := string(o.Status)
		if o.Code != "" {
			text += " " + o.Code
		}
		all = append(all, text)
	}
	return all
}

func TestAssignRolesSendsWhatTheDocumentsSay(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	op := newClient(t, s).AssignRoles(&auth0.Roles{})
	got := assign(t, op, 1, roleRow("org/1", "auth0|a", "rol_1", "rol_2"))
	r := s.Requests[0]
	if got, want := r.Method+" "+r.URL.EscapedPath()+" "+r.Content, `POST /api/v2/organizations/org%2F1/members/auth0%7Ca/roles {"roles":["rol_1","rol_2"]}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if got[0].Status != importer.Assigned || got[0].Attempts != 1 || got[0].HTTPStatus != 204 {
		t.Errorf("%+v", got[0])
	}
}

// TestARefusedRoleIsSentOnce: an unknown role among others is refused in all the
// ways that the API may word it.
func TestARefusedRoleIsSentOnce(t *testing.T) {
	for naming, message := range map[auth0test.Naming]string{
		auth0test.NameAll:   "One or more of the specified roles do not exist: rol_bad",
		auth0test.NameFirst: "The role does not exist: rol_bad",
		auth0test.NameIndex: "The role does not exist: roles[0]",
		auth0test.NameNone:  "One or more of the specified roles do not exist",
	} {
		for _, status := range []int{400, 404} {
			t.Run(fmt.Sprint(status, message), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tenant := newTenant(auth0test.Config{
						Roles:        []auth0test.Role{{ID: "rol_good"}},
						Latency:      auth0test.Fixed(100 * time.Millisecond),
						Undocumented: auth0test.Undocumented{Naming: naming, UnknownRole: status},
					})
					op := newClient(t, tenant).AssignRoles(&auth0.Roles{})
					// Which of two roles is refused is known only if the member
					// already has the other.
					assign(t, op, 1, roleRow("org_1", "auth0|0", "rol_good"))
					var rows []importer.Row
					for _, user := range []string{"a", "b", "c", "d", "e"} {
						rows = append(rows, roleRow("org_1", "auth0|"+user, "rol_bad"), roleRow("org_2", "auth0|"+user, "rol_bad", "rol_good"), roleRow("org_2", "auth0|"+user, "rol_good"))
					}
					got := assign(t, op, 8, rows...)
					if bad := tenant.Stats().Count(auth0test.WriteRoles, status); bad != 1 {
						t.Errorf("%d requests carried the unknown role, want 1", bad)
					}
					for i, o := range got {
						want := importer.Assigned
						if strings.Contains(o.Row.Args[0], "rol_bad") {
							want = importer.Failed
						}
						if o.Status != want || want == importer.Failed && (o.HTTPStatus != status || o.Message != message || o.CorrelationID == "") {
							t.Errorf("row %d, %s: %+v", i, o.Row.Args[0], o)
						}
					}
				})
			})
		}
	}
}

// TestARoleOfAnotherOrganization is refused for that organization only.
func TestARoleOfAnotherOrganization(t *testing.T) {
	for name, roles := range map[string]*auth0.Roles{
		"accepted before": {},
		"listed":          auth0.NewRoles(auth0.Role{ID: "rol_1", Name: "one", Type: "organization"}),
	} {
		tenant := newTenant(auth0test.Config{Roles: []auth0test.Role{{ID: "rol_1", Name: "one", Organization: "org_1"}}})
		got := statuses(assign(t, newClient(t, tenant).AssignRoles(roles), 1,
			roleRow("org_1", "auth0|a", "rol_1"), roleRow("org_2", "auth0|a", "rol_1"), roleRow("org_2", "auth0|b", "rol_1"), roleRow("org_1", "auth0|b", "rol_1")))
		if want := []string{"assigned", "failed invalid_body", "failed invalid_body", "assigned"}; !slices.Equal(got, want) || tenant.Stats().Total() != 3 {
			t.Errorf("%s: %q in %d requests, want %q in 3", name, got, tenant.Stats().Total(), want)
		}
	}
}

func TestHowFarARefusalOfRolesReaches(t *testing.T) {
	for _, test := range []struct {
		name     string
		status   int
		message  string
		code     string
		want     []string // of org_1 a, org_1 b, org_2 a
		requests int
	}{
		{"no such organization", 404, "No organization found by that id or name", "", []string{"failed", "failed", "failed"}, 2},
		{"no such user", 404, "The user does not exist.", "inexistent_user", []string{"failed inexistent_user", "failed inexistent_user", "failed inexistent_user"}, 2},
		{"too many", 409, "No more roles can be assigned to this organization member.", "", []string{"failed too_many_roles", "failed too_many_roles", "failed too_many_roles"}, 3},
		{"an id that is too long", 400, "Path validation error: 'String is too long (51 chars), maximum 50' on property id (Organization identifier).", "invalid_uri", []string{"failed invalid_uri", "failed invalid_uri", "failed invalid_uri"}, 3},
	} {
		s := &sender{Answer: always(test.status, `{"error":"x","message":"`+test.message+`","errorCode":"`+test.code+`"}`)}
		got := statuses(assign(t, newClient(t, s).AssignRoles(&auth0.Roles{}), 1,
			roleRow("org_1", "auth0|a", "rol_1"), roleRow("org_1", "auth0|b", "rol_2"), roleRow("org_2", "auth0|a", "rol_3")))
		if !slices.Equal(got, test.want) || s.Count() != test.requests {
			t.Errorf("%s: %q in %d requests, want %q in %d", test.name, got, s.Count(), test.want, test.requests)
		}
	}
	s := &sender{Answer: always(204, "")}
	got := statuses(assign(t, newClient(t, s).AssignRoles(&auth0.Roles{}), 1, roleRow("org_1", "..", "rol_1"), roleRow("org_1", "auth0|b", "rol_1")))
	if want := []string{"failed", "assigned"}; !slices.Equal(got, want) || s.Count() != 1 {
		t.Errorf("an id that no path can hold: %q in %d requests", got, s.Count())
	}
}

func TestWaitingForARoleEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			time.Sleep(time.Minute)
			return reply(204, ""), nil
		}}
		op := newClient(t, s).AssignRoles(&auth0.Roles{})
		ctx, stop := context.WithCancel(t.Context())
		var first sync.WaitGroup
		defer first.Wait()
		first.Go(func() {
			_, _ = op.Send(ctx, importer.Batch{OrgID: "org_1", Rows: []importer.Row{roleRow("org_1", "auth0|a", "rol_1")}}) // the other one is read
		})
		synctest.Wait()
		go stop()
		began := time.Now()
		_, err := op.Send(ctx, importer.Batch{OrgID: "org_1", Rows: []importer.Row{roleRow("org_1", "auth0|b", "rol_1")}})
		if !errors.Is(err, context.Canceled) || time.Since(began) > time.Second || s.Count() != 1 {
			t.Errorf("error %v after %s and %d requests", err, time.Since(began), s.Count())
		}
	})
}

// TestAnOrganizationThatDoesNotAnswerHoldsNoRole: the others find out for themselves
// whether the role exists.
func TestAnOrganizationThatDoesNotAnswerHoldsNoRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/org_silent/") {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return reply(204, ""), nil
		}}
		op := newClient(t, s).AssignRoles(&auth0.Roles{})
		ctx, stop := context.WithCancel(t.Context())
		var silent sync.WaitGroup
		defer silent.Wait()
		defer stop()
		silent.Go(func() {
			_, _ = op.Send(ctx, importer.Batch{OrgID: "org_silent", Rows: []importer.Row{roleRow("org_silent", "auth0|a", "rol_1")}}) // it ends with the test
		})
		synctest.Wait()
		began := time.Now()
		for _, user := range []string{"auth0|a", "auth0|b"} {
			if _, err := op.Send(ctx, importer.Batch{OrgID: "org_1", Rows: []importer.Row{roleRow("org_1", user, "rol_1")}}); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("a role waits %s for an organization that does not answer", took)
		}
	})
}

func TestRolesByName(t *testing.T) {
	roles := auth0.NewRoles([]auth0.Role{
		{ID: "rol_admin", Name: "Admin"}, {ID: "rol_2", Name: "Reader, Writer", Type: "tenant"}, {ID: "rol_0", Name: "Reader"},
		{ID: "rol_3", Name: "Twin"}, {ID: "rol_4", Name: "Twin"},
		{ID: "rol_5", Name: "Admin", Type: "organization"}, {ID: "rol_6", Name: "Local", Type: "organization"},
		{ID: "rol_7", Name: "rol_1"},
	}...)
	for _, test := range []struct {
		value, separators string
		want              string // ids, or the error code
	}{
		{"Admin", ",;|", "rol_admin"},
		{" Admin ; Reader|Admin", ",;|", "rol_0|rol_admin"},
		{"Reader, Writer", ",;|", "rol_2"},
		{"Reader,Writer", ",;|", "role_not_found"},
		{"Reader; Reader, Writer", ";", "rol_0|rol_2"},
		{"rol_1", ",;|", "rol_1"},
		{"rol_zz,Admin", ",;|", "rol_admin|rol_zz"},
		{"admin", ",;|", "role_not_found"},
		{"Local", ",;|", "role_not_found"},
		{"Twin", ",;|", "role_ambiguous"},
		{"Admin,Twin", ",;|", "role_ambiguous"},
		{"", ",;|", "roles_empty"},
		{"Admin,,Reader", ",;|", "roles_empty"},
	} {
		ids, err := roles.IDs(test.value, test.separators)
		got := strings.Join(ids, "|")
		if e, ok := errors.AsType[*importer.Rejection](err); ok {
			got = e.Code
		}
		if got != test.want {
			t.Errorf("%q: %q, error %v, want %q", test.value, got, err, test.want)
		}
	}
	if names, err := (*auth0.Roles)(nil).IDs("Writer; Reader,Writer", ",;"); err != nil || !slices.Equal(names, []string{"Reader", "Writer"}) {
		t.Errorf("without a list: %q, error %v", names, err)
	}
	if _, err := (*auth0.Roles)(nil).IDs("Reader,,Writer", ","); err == nil {
		t.Error("an empty role is taken for one")
	}
	if auth0.NeedsNames("rol_1|rol_2", "|") || !auth0.NeedsNames("rol_1,x", ",") {
		t.Error("which values need the list of roles")
	}
}

// TestARefusalThatMentionsNoRole says nothing about a role that exists.
func TestARefusalThatMentionsNoRole(t *testing.T) {
	for _, message := range []string{"User is not a member of the organization", "Bad Request"} {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			if n == 1 {
				return reply(400, `{"statusCode":400,"error":"Bad Request","message":"`+message+`"}`), nil
			}
			return reply(204, ""), nil
		}}
		listed := auth0.NewRoles(auth0.Role{ID: "rol_1", Name: "one"}, auth0.Role{ID: "rol_2", Name: "two"})
		got := statuses(assign(t, newClient(t, s).AssignRoles(listed), 1,
			roleRow("org_1", "auth0|a", "rol_1", "rol_2"), roleRow("org_1", "auth0|b", "rol_1", "rol_2"), roleRow("org_1", "auth0|c", "rol_1")))
		if want := []string{"failed", "assigned", "assigned"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

// TestRolesByNameOfAListWithoutAnEnd: the API lists 1,000 of them at most.
func TestRolesByNameOfAListWithoutAnEnd(t *testing.T) {
	for roles, want := range map[int]string{999: "role_not_found", 1000: "role_unlisted"} {
		tenant := newTenant(auth0test.Config{Roles: manyRoles(roles)})
		listed, err := newClient(t, tenant).Roles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := listed.IDs("role 7", ","); err != nil || !slices.Equal(ids, []string{"rol_0000000000000007"}) {
			t.Errorf("%d roles: %q, error %v", roles, ids, err)
		}
		_, err = listed.IDs("nobody", ",")
		if e, ok := errors.AsType[*importer.Rejection](err); !ok || e.Code != want {
			t.Errorf("%d roles: error %v, want %s", roles, err, want)
		}
	}
}

func manyRoles(n int) (roles []auth0test.Role) {
	for i := range n {
		roles = append(roles, auth0test.Role{ID: fmt.Sprintf("rol_%016d", i), Name: fmt.Sprintf("role %d", i)})
	}
	return roles
}

// TestRolesThatAreThereAreNoFailure: a tenant refuses to assign a role twice.
func TestRolesThatAreThereAreNoFailure(t *testing.T) {
	s := &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) {
		if strings.Contains(body, "rol_has") {
			return reply(409, `{"statusCode":409,"error":"Conflict","message":"The role is already assigned to this organization member."}`), nil
		}
		return reply(204, ""), nil
	}}
	op := newClient(t, s).AssignRoles(&auth0.Roles{})
	got := statuses(assign(t, op, 1, roleRow("org_a", "u", "rol_has"), roleRow("org_a", "v", "rol_has", "rol_new"), roleRow("org_a", "w", "rol_has", "rol_has2")))
	if want := []string{"already_assigned", "assigned", "already_assigned"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := s.Count(); n != 7 {
		t.Errorf("%d requests, want 7", n)
	}
}
