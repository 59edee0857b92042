package importer_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"orgimport/importer"
)

// byEmail is a row that names its user by an address.
func byEmail(line int, address, connection string) importer.Row {
	return importer.Row{Line: line, OrgID: "org_a", Keys: &importer.Keys{
		User: importer.Key{Kind: importer.KindEmail, Value: address}, Connection: connection,
	}}
}

func byOrg(line int, kind, value string) importer.Row {
	return importer.Row{Line: line, UserID: "auth0|ann", Keys: &importer.Keys{Org: importer.Key{Kind: kind, Value: value}}}
}

// directoryFor returns a directory with the keys of the rows, before anything is
// found.
func directoryFor(rows ...importer.Row) *importer.Directory {
	d := &importer.Directory{}
	for _, r := range rows {
		d.Want(r)
	}
	return d
}

// person adds a user with an address to what was found.
func person(d *importer.Directory, id, address, connection string, verified bool) {
	d.Users.Found(id, connection, verified, importer.Key{Kind: importer.KindEmail, Value: address})
}

// resolved shows each row after Resolve: its ids, or the code and the message.
func resolved(t *testing.T, d *importer.Directory, rows ...importer.Row) (lines []string) {
	t.Helper()
	for r, err := range importer.Resolve(rowsOf(rows...), d) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d %s %s", r.Line, r.OrgID, r.UserID)
		if e, ok := errors.AsType[*importer.Rejection](r.Err); ok {
			line += " " + e.Code
		}
		if r.Err != nil {
			line += ": " + r.Err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

// reaching is an error with a reach.
type reaching struct{ reach importer.Reach }

func (r *reaching) Error() string         { return "refused" }
func (r *reaching) Reach() importer.Reach { return r.reach }

func TestAddressesLeadToUsers(t *testing.T) {
	type found struct {
		id, address, connection string
		verified                bool
	}
	ann := found{"auth0|1", "ann@acme.com", "db", true}
	tests := []struct {
		name       string
		address    string
		connection string
		tenant     []found
		want       string
	}{
		{"one", "ann@acme.com", "", []found{ann}, "2 org_a auth0|1"},
		{"spaces around it", "\u00a0ann@acme.com ", "", []found{ann}, "2 org_a auth0|1"},
		{"capitals in the file", "Ann@Acme.com", "", []found{ann}, "2 org_a auth0|1"},
		{"capitals in the tenant", "ann@acme.com", "", []found{{"waad|1", "Ann@ACME.com", "ad", true}}, "2 org_a waad|1"},
		{"capitals in both", "aNn@acme.com", "", []found{{"waad|1", "Ann@ACME.com", "ad", true}}, "2 org_a waad|1"},
		{"nobody", "bob@acme.com", "", []found{ann}, "2 org_a  user_not_found: no user has the e-mail bob@acme.com"},
		{"a tag is part of it", "ann+x@acme.com", "", []found{ann}, "2 org_a  user_not_found: no user has the e-mail ann+x@acme.com"},
		{"a dot is part of it", "a.nn@acme.com", "", []found{ann}, "2 org_a  user_not_found: no user has the e-mail a.nn@acme.com"},
		{"a Kelvin sign is no k", "mar\u212a@acme.com", "", []found{{"auth0|9", "mark@acme.com", "db", true}}, "2 org_a  user_not_found: no user has the e-mail mar\u212a@acme.com"},
		{"an umlaut is not folded", "Ü@acme.com", "", []found{{"auth0|9", "ü@acme.com", "db", true}}, "2 org_a  user_not_found: no user has the e-mail Ü@acme.com"},
		{"told twice", "ann@acme.com", "", []found{ann, ann}, "2 org_a auth0|1"},
		{
			"three", "ann@acme.com", "", []found{ann, {"samlp|3", "ann@acme.com", "saml", false}, {"google-oauth2|2", "ann@acme.com", "google", true}},
			"2 org_a  user_ambiguous: 3 users have it: auth0|1, google-oauth2|2, samlp|3: give a connection or the user id",
		},
		{
			"two but for capitals", "ann@acme.com", "", []found{ann, {"waad|1", "Ann@acme.com", "ad", true}},
			"2 org_a  user_ambiguous: 2 users have it: auth0|1, waad|1: give a connection or the user id",
		},
		{
			"verified beside unverified", "ann@acme.com", "", []found{ann, {"waad|1", "ann@acme.com", "ad", false}},
			"2 org_a  user_ambiguous: 2 users have it: auth0|1, waad|1: give a connection or the user id",
		},
		{"two, one of the connection", "ann@acme.com", "ad", []found{ann, {"waad|1", "ann@acme.com", "ad", true}}, "2 org_a waad|1"},
		{
			"two of the connection", "ann@acme.com", "ad", []found{{"waad|2", "Ann@acme.com", "ad", true}, {"waad|1", "ann@acme.com", "ad", true}},
			"2 org_a  user_ambiguous: 2 users have it: waad|1, waad|2: give the user id",
		},
		{"another connection", "ann@acme.com", "ad", []found{ann}, "2 org_a  user_not_found: no user of the connection ad has the e-mail ann@acme.com"},
		{"no connection told", "ann@acme.com", "ad", []found{{"auth0|1", "ann@acme.com", "", true}}, "2 org_a  user_not_found: no user of the connection ad has the e-mail ann@acme.com"},
		{"connections keep their case", "ann@acme.com", "DB", []found{ann}, "2 org_a  user_not_found: no user of the connection DB has the e-mail ann@acme.com"},
		{
			"unverified", "ann@acme.com", "", []found{{"auth0|1", "ann@acme.com", "db", false}},
			"2 org_a  email_unverified: auth0|1 has not verified it (--allow-unverified)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			row := byEmail(2, tt.address, tt.connection)
			d := directoryFor(row)
			for _, f := range tt.tenant {
				person(d, f.id, f.address, f.connection, f.verified)
			}
			if got := resolved(t, d, row); got[0] != tt.want {
				t.Errorf("got  %q\nwant %q", got[0], tt.want)
			}
		})
	}
}

func TestAnUnverifiedAddressCanBeAllowed(t *testing.T) {
	row := byEmail(2, "ann@acme.com", "")
	d := directoryFor(row)
	d.AllowUnverified = true
	person(d, "auth0|1", "ann@acme.com", "db", false)
	if got, want := resolved(t, d, row)[0], "2 org_a auth0|1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOtherKeysAreTakenAsTheyAre(t *testing.T) {
	row := func(kind, value string) importer.Row {
		return importer.Row{OrgID: "org_a", Keys: &importer.Keys{User: importer.Key{Kind: kind, Value: value}}}
	}
	rows := []importer.Row{row("username", "Ann"), row("username", "ann"), row("app_metadata.nr", "7"), row("phone_number", "+49")}
	d := directoryFor(rows...)
	d.Users.Found("auth0|1", "", false, importer.Key{Kind: "username", Value: "ann"}, importer.Key{Kind: "app_metadata.nr", Value: "7"})
	want := []string{
		"0 org_a  user_not_found: no user has the username Ann",
		"0 org_a auth0|1",
		"0 org_a auth0|1",
		"0 org_a  user_not_found: no user has the phone number +49",
	}
	if got := resolved(t, d, rows...); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOrganizationsAreFoundByTheirKeys(t *testing.T) {
	rows := []importer.Row{
		byOrg(2, "name", " acme"), byOrg(3, "name", "Acme"), byOrg(4, "display_name", "Acme Inc"),
		byOrg(5, "display_name", "Twice"), byOrg(6, "metadata.nr", "7"),
	}
	d := directoryFor(rows...)
	key := func(kind, value string) importer.Key { return importer.Key{Kind: kind, Value: value} }
	d.Orgs.Found("org_a", "", true, key("name", "acme"), key("display_name", "Twice"), key("metadata.nr", "7"))
	d.Orgs.Found("org_b", "", true, key("name", "beta"), key("display_name", "Twice"))
	want := []string{
		"2 org_a auth0|ann",
		"3 org_a auth0|ann", // all names are in lower case
		"4  auth0|ann organization_not_found: no organization has the display name Acme Inc",
		"5  auth0|ann organization_ambiguous: 2 organizations have it: org_a, org_b: give the organization id",
		"6 org_a auth0|ann",
	}
	if got := resolved(t, d, rows...); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestIDsAreLookedUpIfAskedFor(t *testing.T) {
	rows := []importer.Row{{Line: 2, OrgID: "org_a", UserID: "auth0|1"}, {Line: 3, OrgID: "org_b", UserID: "auth0|2"}}
	if d := directoryFor(rows...); d.Users.Len() != 0 || d.Orgs.Len() != 0 {
		t.Error("ids are looked up though nobody asked for that")
	}
	d := &importer.Directory{CheckUsers: true, CheckOrgs: true}
	for _, r := range rows {
		d.Want(r)
	}
	d.Users.Found("auth0|1", "db", true, importer.Key{Kind: importer.KindUserID, Value: "auth0|1"})
	d.Users.Found("AUTH0|2", "db", true, importer.Key{Kind: importer.KindUserID, Value: "AUTH0|2"})
	d.Orgs.Found("org_a", "", true, importer.Key{Kind: importer.KindOrgID, Value: "org_a"})
	d.Orgs.Found("org_b", "", true, importer.Key{Kind: importer.KindOrgID, Value: "org_b"})
	want := []string{"2 org_a auth0|1", "3 org_b auth0|2 user_not_found: no user auth0|2"}
	if got := resolved(t, d, rows...); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestMembersAreSettled(t *testing.T) {
	rows := []importer.Row{byEmail(2, "ann@acme.com", ""), {Line: 3, OrgID: "org_a", UserID: "auth0|2"}}
	d := directoryFor(rows...)
	person(d, "auth0|1", "ann@acme.com", "", true)
	d.FoundMember(importer.PairKey(importer.Row{OrgID: "org_a", UserID: "auth0|1"}), "oi-1")
	got := shown(importer.Resolve(rowsOf(rows...), d))
	want := []string{"2 org_a auth0|1 already_member: a member already, according to the organization's list of members", "3 org_a auth0|2"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for resumed, code := range map[bool]string{false: "", true: importer.CodeUnknownOrigin} {
		d.Resumed = resumed
		for row := range importer.Resolve(rowsOf(rows[0]), d) {
			if o := importer.Unsent(row); o.Status != importer.AlreadyMember || o.Code != code || o.CorrelationID != "oi-1" {
				t.Errorf("resumed %v: %+v", resumed, o)
			}
		}
	}
}

// A user who is not in a list that was not read to its end may be a member.
func TestAMemberMayBeUnlisted(t *testing.T) {
	rows := []importer.Row{{Line: 2, OrgID: "org_a", UserID: "auth0|1"}, {Line: 3, OrgID: "org_a", UserID: "auth0|2"}, {Line: 4, OrgID: "org_b", UserID: "auth0|2"}}
	for reach, transient := range map[importer.Reach]bool{importer.ReachOrg: false, importer.ReachBatch: true} {
		d := &importer.Directory{}
		d.FoundMember(importer.PairKey(rows[0]), "oi-1")
		d.Unlisted("org_a", &reaching{reach})
		var got []importer.Outcome
		for row := range importer.Resolve(rowsOf(rows...), d) {
			if row.Line < 4 {
				got = append(got, importer.Unsent(row))
			} else if row.Err != nil {
				t.Errorf("the other organization: %v", row.Err)
			}
		}
		if got[0].Status != importer.AlreadyMember || got[1].Status != importer.Failed || got[1].Code != importer.CodeMembersUnlisted || got[1].Transient != transient {
			t.Errorf("reach %d: %+v", reach, got)
		}
		done := func(row importer.Row) bool { return row.UserID == "auth0|2" }
		if got := shown(importer.Skip(importer.Resolve(rowsOf(rows...), d), done)); len(got) != 1 {
			t.Errorf("rows that are done have an outcome of their own: %q", got)
		}
	}
}

// Resolve passes on rows with Err, errors, keys of users that the operation uses
// itself, and everything if there is no directory.
func TestResolveLeavesTheRest(t *testing.T) {
	bad := byEmail(2, "ann@acme.com", "")
	bad.Err = errBad
	guest := byEmail(3, "guest@acme.com", "")
	d := directoryFor(bad)
	d.KeepUsers = true
	if d.Users.Len() != 0 {
		t.Error("the key of a row that is not sent is looked up")
	}
	got := shown(importer.Resolve(broken(errBad, bad, guest), d))
	if want := []string{"2 org_a : bad", "3 org_a ", "error: bad"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for r := range importer.Resolve(rowsOf(guest), d) {
		if r.Keys == nil {
			t.Error("the key is gone")
		}
	}
	if got, want := shown(importer.Resolve(rowsOf(guest), nil)), []string{"3 org_a "}; !slices.Equal(got, want) {
		t.Errorf("without a directory: got %q, want %q", got, want)
	}
}

// If the file has changed since its keys were collected, new keys are not found.
func TestAKeyThatWasNotLookedUpIsRejected(t *testing.T) {
	d := directoryFor(byEmail(2, "ann@acme.com", ""))
	person(d, "auth0|1", "ann@acme.com", "", true)
	got := resolved(t, d, byEmail(2, "bob@acme.com", ""), byEmail(3, "ann@acme.com", "db"))
	for _, line := range got {
		if !strings.Contains(line, "the file has changed") {
			t.Errorf("got %q", line)
		}
	}
}

// A connection does not make an unverified address acceptable.
func TestAnUnverifiedAddressIsRefusedInEveryConnection(t *testing.T) {
	row := byEmail(2, "ann@acme.com", "db")
	d := directoryFor(row)
	person(d, "auth0|1", "ann@acme.com", "db", false)
	if got, want := resolved(t, d, row)[0], "2 org_a  email_unverified: auth0|1 has not verified it (--allow-unverified)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.AllowUnverified = true
	if got, want := resolved(t, d, row)[0], "2 org_a auth0|1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAMissingConnectionIsSaid(t *testing.T) {
	row := byEmail(2, "ann@acme.com", "nowhere")
	d := directoryFor(row)
	d.NoConnection = map[string]bool{"nowhere": true}
	if got, want := resolved(t, d, row)[0], "2 org_a  connection_not_found: there is no connection nowhere"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsMissingCanBeAskedFor(t *testing.T) {
	rows := []importer.Row{byEmail(2, "Bob@acme.com", "db"), byEmail(3, "bob@acme.com", "db"), byEmail(4, "BOB@acme.com", "db"), byEmail(5, "ann@acme.com", "")}
	d := directoryFor(rows...)
	person(d, "auth0|1", "ann@acme.com", "db", true)
	got := slices.Collect(d.Users.Missing())
	if len(got) != 1 || got[0].Key != (importer.Key{Kind: "email", Value: "bob@acme.com"}) || got[0].Connection != "db" ||
		!slices.Equal(got[0].Spellings, []string{"Bob@acme.com", "BOB@acme.com"}) {
		t.Errorf("got %+v", got)
	}
	if d.Users.Len() != 2 || d.Users.Hits() != 1 {
		t.Errorf("%d keys, %d found", d.Users.Len(), d.Users.Hits())
	}
}

// An id that an earlier run found belongs to its row. The address may be another
// user's by now.
func TestAnIDOfAnEarlierRunIsForItsRow(t *testing.T) {
	done, other, otherOrg := byEmail(2, "Ann@acme.com", ""), byEmail(3, "ann@acme.com", "db"), byEmail(4, "ann@acme.com", "")
	otherOrg.OrgID = "org_b"
	d := &importer.Directory{CheckUsers: true}
	line := done
	line.Keys = &importer.Keys{User: importer.Key{Kind: importer.KindEmail, Value: "ann@acme.com"}}
	line.UserID = "auth0|old"
	d.Reuse(line)
	for _, row := range []importer.Row{done, other, otherOrg} {
		if !d.Want(row) {
			t.Errorf("line %d has no key", row.Line)
		}
	}
	if !d.Users.Reused(importer.KindEmail) || d.Users.Reused("username") || d.Users.Len() != 2 {
		t.Errorf("%d keys are to be looked up", d.Users.Len())
	}
	person(d, "auth0|new", "ann@acme.com", "db", true)
	want := []string{"2 org_a auth0|old", "3 org_a auth0|new", "4 org_b auth0|new"}
	if got := resolved(t, d, done, other, otherOrg); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A look-up that fails for one key does not affect the others.
func TestAFailedLookUpFailsItsRows(t *testing.T) {
	rows := []importer.Row{byEmail(2, "ann@acme.com", ""), byEmail(3, "bob@acme.com", "")}
	d := directoryFor(rows...)
	d.Users.Failed(rows[0].Keys.User, "", "oops", &reaching{importer.ReachBatch})
	person(d, "auth0|3", "bob@acme.com", "", true)
	var got []importer.Row
	for row := range importer.Resolve(rowsOf(rows...), d) {
		got = append(got, row)
	}
	if o := importer.Unsent(got[0]); o.Status != importer.Failed || o.Code != "oops" || !o.Transient || !strings.Contains(o.Message, "ann@acme.com") {
		t.Errorf("%+v", o)
	}
	if got[1].Err != nil || got[1].UserID != "auth0|3" {
		t.Errorf("%+v", got[1])
	}
}

func TestOfManyOnlyAFewAreNamed(t *testing.T) {
	row := byEmail(2, "info@acme.com", "")
	d := directoryFor(row)
	for range 2 { // the second time changes nothing
		for i := range 1000 {
			person(d, fmt.Sprint("auth0|", i), "info@acme.com", "db", true)
		}
	}
	want := "2 org_a  user_ambiguous: 1000 users have it: auth0|0, auth0|1, auth0|10: give a connection or the user id"
	if got := resolved(t, d, row)[0]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for row := range importer.Resolve(rowsOf(row), d) {
		if e, ok := errors.AsType[*importer.Rejection](row.Err); !ok || len(e.Candidates) != 1000 || !e.Unresolved() {
			t.Errorf("%+v", row.Err)
		}
	}
	if keys, hits := d.Users.Count(importer.KindEmail); keys != 1 || hits != 1 {
		t.Errorf("%d keys, %d found", keys, hits)
	}
}

// BenchmarkDirectory looks up a million addresses among two million users.
func BenchmarkDirectory(b *testing.B) {
	for b.Loop() {
		d := &importer.Directory{}
		for i := range 1_000_000 {
			d.Want(byEmail(i, fmt.Sprintf("employee.%07d@customer.com", i), ""))
		}
		for i := range 2_000_000 {
			person(d, fmt.Sprintf("auth0|%024x", i), fmt.Sprintf("employee.%07d@customer.com", i), "db", true)
		}
		if d.Users.Hits() != 1_000_000 {
			b.Fatal(d.Users.Hits())
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB-held")
		runtime.KeepAlive(d)
	}
}
