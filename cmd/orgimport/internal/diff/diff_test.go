package diff_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"orgimport/cmd/orgimport/internal/diff"
	"orgimport/importer"
	"orgimport/importer/auth0"
)

// coded returns an error that rejects a row.
func coded(code string, candidates ...string) *importer.Rejection {
	return &importer.Rejection{Code: code, Message: "rejected: " + code, Candidates: candidates}
}

// file is a file of rows, which begin on line 2.
type file []importer.Row

func (f file) rows() iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for i, row := range f {
			row.Line = i + 2
			if !yield(row, nil) {
				return
			}
		}
	}
}

// tenant has the members of organizations by their ids.
type tenant map[string][]auth0.Member

// lists yields the members one by one, each of them twice.
func (t tenant) lists(orgIDs []string) iter.Seq2[auth0.MemberPage, error] {
	return func(yield func(auth0.MemberPage, error) bool) {
		for _, id := range orgIDs {
			members, exists := t[id]
			var absent *auth0.ListError
			if !exists {
				absent = &auth0.ListError{}
			}
			if !yield(auth0.MemberPage{OrgID: id, Absent: absent}, nil) {
				return
			}
			for _, m := range slices.Concat(members, members) {
				if !yield(auth0.MemberPage{OrgID: id, Members: []auth0.Member{m}}, nil) {
					return
				}
			}
		}
	}
}

func compare(t interface {
	Helper()
	Fatal(...any)
}, f file, in tenant, change ...func(*diff.Comparison)) *diff.Result {
	t.Helper()
	c := &diff.Comparison{
		Rows: f.rows, Lists: in.lists,
		OrgName:  func(string) string { return "" },
		Unusual:  func(id string) bool { return !strings.Contains(id, "|") },
		OnReject: func(importer.Outcome) error { return nil },
	}
	for _, change := range change {
		change(c)
	}
	r, err := c.Run()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text returns lines as they are written below the header.
func text(l *diff.Lines) string {
	var b strings.Builder
	_ = l.WriteCSV(&b, "header")
	return strings.TrimPrefix(b.String(), "header\n")
}

func member(name string) auth0.Member {
	return auth0.Member{UserID: "auth0|" + name, Email: name + "@acme.com", Name: strings.ToUpper(name)}
}

func members(names ...string) (all []auth0.Member) {
	for _, name := range names {
		all = append(all, member(name))
	}
	return all
}

// named is a row that names a member.
func named(org, name string) importer.Row {
	return importer.Row{OrgID: org, UserID: "auth0|" + name}
}

// by is a row that is rejected and names its user by a key.
func by(org, kind, value string, err error) importer.Row {
	return importer.Row{OrgID: org, Keys: &importer.Keys{User: importer.Key{Kind: kind, Value: value}}, Err: err}
}

func byEmail(org, value, code string, candidates ...string) importer.Row {
	return by(org, importer.KindEmail, value, coded(code, candidates...))
}

func TestJoinersAndLeavers(t *testing.T) {
	r := compare(t, file{
		named("org_b", "ann"), named("org_b", "bob"), named("org_b", "bob"), named("org_a", "cid"), named("org_a", "dan"),
	}, tenant{
		"org_a": members("dan", "eve"), "org_b": members("ann", "zoe", "fay"), "org_c": members("gus"),
	}, func(c *diff.Comparison) {
		c.OrgName = func(id string) string { return map[string]string{"org_b": `B, "best"`}[id] }
	})
	if got, want := text(&r.Joiners), "org_a,auth0|cid\norg_b,auth0|bob\n"; got != want {
		t.Errorf("joiners\n%swant\n%s", got, want)
	}
	want := "org_a,,auth0|eve,eve@acme.com,EVE\n" +
		"org_b,\"B, \"\"best\"\"\",auth0|fay,fay@acme.com,FAY\n" +
		"org_b,\"B, \"\"best\"\"\",auth0|zoe,zoe@acme.com,ZOE\n"
	if got := text(&r.Leavers); got != want {
		t.Errorf("leavers\n%swant\n%s", got, want)
	}
	if got, want := fmt.Sprint(r.Orgs, r.Rows, r.Members, r.Kept.Len(), r.Doubtful), "[{org_a 2 1 1 0} {org_b 3 1 2 0}] 5 5 0 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestJoinersCarryColumns(t *testing.T) {
	r := compare(t, file{{OrgID: "org_a", UserID: "auth0|ann", Kept: []string{"x", "ann@acme.com", "a\nb"}}},
		tenant{"org_a": nil}, func(c *diff.Comparison) { c.Carry = []int{1, 2} })
	if got, want := text(&r.Joiners), "org_a,auth0|ann,ann@acme.com,a␊b\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKept tests each rule by which a member is kept who is not in the file: eve is
// a member of org_a, fay of org_b, and both would leave if it were not for the row
// on line 5. lines are the lines that keep them.
func TestKept(t *testing.T) {
	const everybody = "eve 5, fay 5"
	unverified := func(row importer.Row) importer.Row {
		row.Err = coded(importer.CodeEmailUnverified)
		return row
	}
	for name, test := range map[string]struct {
		row  importer.Row
		want string
	}{
		"nothing is in doubt": {named("org_a", "ann"), ""},

		"not found":             {byEmail("org_a", "eve@acme.com", importer.CodeUserNotFound), "eve 5"},
		"unverified":            {byEmail("org_a", "eve@acme.com", importer.CodeEmailUnverified, "auth0|new"), "eve 5"},
		"ambiguous":             {byEmail("org_a", "e.e@acme.com", importer.CodeUserAmbiguous, "auth0|1", "auth0|2", "auth0|3", "auth0|eve"), "eve 5"},
		"unknown connection":    {byEmail("org_a", "eve@acme.com", importer.CodeConnectionNotFound), "eve 5"},
		"a look-up that failed": {by("org_a", "email", "eve@acme.com", &importer.Decided{Status: importer.Failed, Code: "500", Message: "no answer", Transient: true}), "eve 5"},
		"of another address":    {byEmail("org_a", "e.e@acme.com", importer.CodeUserNotFound), ""},
		"of another org":        {byEmail("org_a", "fay@acme.com", importer.CodeUserNotFound), ""},

		"capitals and spaces":     {byEmail("org_a", " EVE@acme.com ", importer.CodeUserNotFound), "eve 5"},
		"a Kelvin sign is no k":   {byEmail("org_a", "\u212Aeve@acme.com", importer.CodeUserNotFound), ""},
		"an id in other spelling": {importer.Row{OrgID: "org_a", UserID: "Auth0|EVE", Err: coded(importer.CodeUserNotFound)}, "eve 5"},
		"an address beside an id": {unverified(importer.Row{OrgID: "org_a", UserID: "auth0|old", Kept: []string{"x", "Eve@acme.com"}}), "eve 5"},
		"an id beside an address": {importer.Row{OrgID: "org_a", Kept: []string{"auth0|eve"}, Keys: byEmail("", "e.e@acme.com", "").Keys, Err: coded(importer.CodeUserNotFound)}, "eve 5"},

		"organization not found, by id":       {importer.Row{UserID: "auth0|eve", Err: coded(importer.CodeOrgNotFound)}, "eve 5"},
		"organization ambiguous, by address":  {byEmail("", "fay@acme.com", importer.CodeOrgAmbiguous), "fay 5"},
		"organization not found, by a key":    {importer.Row{UserID: "auth0|fay", Keys: by("", "username", "f", nil).Keys, Err: coded(importer.CodeOrgNotFound)}, "fay 5"},
		"organization that is gone (404)":     {named("org_gone", "fay"), "fay 5"},
		"organization gone, user not found":   {byEmail("org_gone", "fay@acme.com", importer.CodeUserNotFound), "fay 5"},
		"organization that --org rejects":     {importer.Row{OrgID: "org_a", UserID: "auth0|fay", Err: coded(importer.CodeOtherOrg)}, "fay 5"},
		"no organization":                     {importer.Row{UserID: "auth0|fay", Err: errors.New("the organization is empty")}, "fay 5"},
		"organization and user the other way": {importer.Row{OrgID: "auth0|fay", UserID: "org_b", Err: errors.New("the ids are swapped")}, everybody},

		"by username":              {by("org_a", "username", "e", coded(importer.CodeUserNotFound)), "eve 5"},
		"by phone":                 {by("org_b", "phone_number", "+4912", coded(importer.CodeUserAmbiguous)), "fay 5"},
		"by metadata":              {by("org_a", "app_metadata.n", "7", coded(importer.CodeUserNotFound)), "eve 5"},
		"by metadata, no org":      {by("", "app_metadata.n", "7", coded(importer.CodeOrgNotFound)), everybody},
		"by an id of another form": {importer.Row{OrgID: "org_a", UserID: "4711", Err: coded(importer.CodeUserNotFound)}, "eve 5"},
		"by two addresses":         {byEmail("org_b", "f@acme.com; g@acme.com", importer.CodeUserNotFound), "fay 5"},
		"--org rejects, by name":   {by("", importer.KindUserID, "auth0|fay", coded(importer.CodeOtherOrg)), "fay 5"},
		"no user":                  {importer.Row{OrgID: "org_a", Err: errors.New("the user is empty")}, "eve 5"},
		"neither":                  {importer.Row{Err: errors.New("the organization and the user are empty")}, everybody},

		"a record that can't be read":   {importer.Row{Err: coded(importer.CodeRowUnreadable)}, everybody},
		"the same with --org":           {importer.Row{OrgID: "org_a", Err: coded(importer.CodeRowUnreadable)}, everybody},
		"several ids in a cell":         {named("org_a", "x,auth0|eve"), "eve 5"},
		"an escaped id":                 {importer.Row{OrgID: "org_a", UserID: "auth0%7Ceve"}, "eve 5"},
		"an address in a column of ids": {importer.Row{OrgID: "org_a", UserID: "Eve@acme.com"}, "eve 5"},
	} {
		t.Run(name, func(t *testing.T) {
			r := compare(t, file{named("org_a", "ann"), named("org_b", "bob"), named("org_a", "ann"), test.row},
				tenant{"org_a": members("ann", "eve"), "org_b": members("bob", "fay")})
			if got := keptBy(&r.Kept); got != test.want {
				t.Errorf("kept %q, want %q", got, test.want)
			}
			if want := strings.Contains(name, "failed"); (r.Unanswered == 1) != want {
				t.Errorf("%d rows got no answer", r.Unanswered)
			}
			if got := r.Kept.Len() + r.Leavers.Len(); got != 2 {
				t.Errorf("%d of the 2 members are told", got)
			}
			if wantDoubt := test.want != "" || r.Rejected > 0; wantDoubt != (r.Doubtful == 1) {
				t.Errorf("%d rows in doubt", r.Doubtful)
			}
		})
	}
}

// keptBy returns the members who are kept, and the line that keeps each.
func keptBy(kept *diff.Lines) string {
	var who []string
	for record := range kept.Records() {
		who = append(who, strings.ToLower(record[4])+" "+record[5])
	}
	return strings.Join(who, ", ")
}

// TestNobodyIsNamed: an organization is not emptied.
func TestNobodyIsNamed(t *testing.T) {
	r := compare(t, file{named("org_b", "bob"), named("org_a", "x"), named("org_a", "y")},
		tenant{"org_a": members("ann", "eve"), "org_b": members("bob", "fay")})
	if got, want := text(&r.Kept), "org_a,,auth0|ann,ann@acme.com,ANN,3,no_member_named\norg_a,,auth0|eve,eve@acme.com,EVE,3,no_member_named\n"; got != want {
		t.Errorf("kept\n%swant\n%s", got, want)
	}
	if r.Leavers.Len() != 1 || r.Joiners.Len() != 2 || r.Doubtful != 2 {
		t.Errorf("%d leavers, %d joiners, %d rows in doubt", r.Leavers.Len(), r.Joiners.Len(), r.Doubtful)
	}
}

// TestNamesakes: an address that the tenant resolved to another user keeps nobody;
// one that a file resolved does.
func TestNamesakes(t *testing.T) {
	row := named("org_a", "ann")
	row.Kept = []string{"Eve@acme.com"}
	for unconfirmed, want := range map[bool]string{false: "", true: "eve 2"} {
		r := compare(t, file{row}, tenant{"org_a": members("ann", "eve")},
			func(c *diff.Comparison) { c.Unconfirmed = unconfirmed })
		if got := keptBy(&r.Kept); got != want || r.Doubtful != r.Kept.Len() {
			t.Errorf("unconfirmed %v: kept %q, %d rows in doubt, want %q", unconfirmed, got, r.Doubtful, want)
		}
	}
}

// TestFirstRowIsTold: if several rows may mean a member, the first is reported.
func TestFirstRowIsTold(t *testing.T) {
	r := compare(t, file{
		named("org_a", "ann"),
		byEmail("", "eve@acme.com", importer.CodeOrgNotFound),
		byEmail("org_a", "eve@acme.com", importer.CodeUserNotFound),
		{Err: coded(importer.CodeRowUnreadable)},
	}, tenant{"org_a": members("ann", "eve", "fay")})
	want := "org_a,,auth0|eve,eve@acme.com,EVE,3,organization_not_found\norg_a,,auth0|fay,fay@acme.com,FAY,5,row_unreadable\n"
	if got := text(&r.Kept); got != want {
		t.Errorf("kept\n%swant\n%s", got, want)
	}
}

// TestMissingOrganization: its rows are rejected, and it is not compared.
func TestMissingOrganization(t *testing.T) {
	var rejected []string
	r := compare(t, file{named("org_a", "ann"), named("org_gone", "x")}, tenant{"org_a": members("ann")}, func(c *diff.Comparison) {
		c.OnReject = func(o importer.Outcome) error {
			rejected = append(rejected, fmt.Sprint(o.Row.Line, " ", o.Row.OrgID, ": ", o.Code))
			return nil
		}
	})
	if got, want := fmt.Sprint(rejected, r.Rejected, r.Orgs), "[3 org_gone: organization_not_found] 1 [{org_a 1 0 0 0}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDeletedMeanwhile: an organization whose list ends because it was deleted is a
// missing one.
func TestDeletedMeanwhile(t *testing.T) {
	in := tenant{"org_a": members("ann"), "org_b": members("bob", "eve")}
	r := compare(t, file{named("org_a", "ann"), named("org_b", "bob")}, in, func(c *diff.Comparison) {
		c.Lists = func(ids []string) iter.Seq2[auth0.MemberPage, error] {
			return func(yield func(auth0.MemberPage, error) bool) {
				_ = yield(auth0.MemberPage{OrgID: "org_a", Members: in["org_a"]}, nil) &&
					yield(auth0.MemberPage{OrgID: "org_b", Members: in["org_b"]}, nil) &&
					yield(auth0.MemberPage{OrgID: "org_b", Absent: &auth0.ListError{}}, nil)
			}
		}
	})
	if got, want := fmt.Sprint(r.Orgs, r.Members, r.Leavers.Len(), r.Kept.Len(), r.Rejected), "[{org_a 1 0 0 0}] 1 0 0 1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestErrorsEndIt: errors of the rows, the lists, and the callback.
func TestErrorsEndIt(t *testing.T) {
	broken := errors.New("broken")
	f, in := file{named("org_a", "ann"), {Err: broken}}, tenant{"org_a": nil}
	reads := 0
	for name, change := range map[string]func(*diff.Comparison){
		"rows": func(c *diff.Comparison) {
			c.Rows = func() iter.Seq2[importer.Row, error] {
				return func(yield func(importer.Row, error) bool) { yield(importer.Row{}, broken) }
			}
		},
		"lists": func(c *diff.Comparison) {
			c.Lists = func([]string) iter.Seq2[auth0.MemberPage, error] {
				return func(yield func(auth0.MemberPage, error) bool) { yield(auth0.MemberPage{}, broken) }
			}
		},
		"a rejected row": func(c *diff.Comparison) { c.OnReject = func(importer.Outcome) error { return broken } },
		"another row": func(c *diff.Comparison) {
			c.Rows = func() iter.Seq2[importer.Row, error] {
				reads++
				return file{named("org_a", fmt.Sprint(reads))}.rows()
			}
		},
	} {
		c := &diff.Comparison{Rows: f.rows, Lists: in.lists, OrgName: func(string) string { return "" }, Unusual: func(string) bool { return false }, OnReject: func(importer.Outcome) error { return nil }}
		change(c)
		if _, err := c.Run(); !errors.Is(err, broken) && !errors.Is(err, diff.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
