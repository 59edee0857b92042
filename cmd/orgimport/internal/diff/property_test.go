package diff_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orgimport/cmd/orgimport/internal/diff"
	"orgimport/importer"
	"orgimport/importer/auth0"
)

var (
	orgIDs = []string{"org_a", "org_b", "org_c", "org_gone"}
	people = []string{"ann", "bob", "cid", "dan", "eve", "fay"}
)

// drawTenant draws the members of all organizations but the last one. Some have
// the address of another, or none.
func drawTenant(t *rapid.T) tenant {
	in := make(tenant)
	for _, id := range orgIDs[:3] {
		in[id] = members(rapid.SliceOfDistinct(rapid.SampledFrom(people), rapid.ID).Draw(t, id)...)
		for i := range in[id] {
			in[id][i].Email = rapid.SampledFrom([]string{in[id][i].Email, "ann@acme.com", "Bob@ACME.com", ""}).Draw(t, "email")
		}
	}
	return in
}

func drawFile(t *rapid.T) file {
	return rapid.SliceOfN(rapid.Custom(drawRow), 0, 12).Draw(t, "file")
}

// drawRow draws a row as the look-ups leave it. Most are resolved.
func drawRow(t *rapid.T) importer.Row {
	row := named(rapid.SampledFrom(orgIDs).Draw(t, "org"), rapid.SampledFrom(people).Draw(t, "user"))
	email := rapid.SampledFrom(people).Draw(t, "address") + "@acme.com"
	if rapid.Bool().Draw(t, "capitals") {
		email = " " + strings.ToUpper(email)
	}
	row.Kept = []string{rapid.SampledFrom([]string{"", email}).Draw(t, "other column")}
	keys := func(kind string) *importer.Keys {
		return &importer.Keys{User: importer.Key{Kind: kind, Value: email}}
	}
	code := rapid.SampledFrom([]string{
		"", "", "", "", "", "", "", "", importer.CodeUserNotFound, importer.CodeUserAmbiguous, importer.CodeEmailUnverified,
		importer.CodeConnectionNotFound, importer.CodeOrgNotFound, importer.CodeOrgAmbiguous, importer.CodeOtherOrg, importer.CodeRowUnreadable,
	}).Draw(t, "code")
	switch rejected := (coded(code)); code {
	case "":
	case importer.CodeOrgNotFound, importer.CodeOrgAmbiguous:
		row.OrgID, row.Keys, row.Err = "", keys("email"), rejected
	case importer.CodeOtherOrg:
		row.Err = rejected
	case importer.CodeRowUnreadable:
		row = importer.Row{Err: rejected}
	case importer.CodeUserAmbiguous:
		rejected.Candidates = []string{row.UserID, "auth0|zoe"}
		fallthrough
	default:
		row.UserID, row.Keys, row.Err = "", keys(rapid.SampledFrom([]string{"email", "email", "email", "username"}).Draw(t, "kind")), rejected
	}
	return row
}

// mayMean says, as the contract words it, whether a row that is not resolved may
// mean a member.
func mayMean(row importer.Row, org string, m auth0.Member, in tenant) bool {
	code := row.Err.(*importer.Rejection).Code
	_, exists := in[row.OrgID]
	if exists && code != importer.CodeOtherOrg && row.OrgID != org {
		return false
	}
	if code == importer.CodeRowUnreadable || row.UserID == "" && (row.Keys == nil || row.Keys.User.Kind != "email") {
		return true
	}
	has := func(value string) bool {
		value = strings.TrimSpace(value)
		return value != "" && (strings.EqualFold(value, m.UserID) || strings.EqualFold(value, m.Email))
	}
	return has(row.UserID) || slices.ContainsFunc(row.Kept, has) || row.Keys != nil && has(row.Keys.User.Value) ||
		slices.Contains(row.Err.(*importer.Rejection).Candidates, m.UserID)
}

type pair struct{ org, user string }

func pairs(l *diff.Lines, user int) map[pair]bool {
	all := make(map[pair]bool)
	for r := range l.Records() {
		all[pair{strings.Clone(r[0]), strings.Clone(r[user])}] = true
	}
	return all
}

// TestProperty: after joiners have joined and leavers have left, the members are
// those of the file and those who are kept; a member who may be meant never leaves;
// and a second diff finds nothing.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, f := drawTenant(t), drawFile(t)
		r := compare(t, f, in)
		joiners, leavers, kept := pairs(&r.Joiners, 1), pairs(&r.Leavers, 2), pairs(&r.Kept, 2)
		if r.Joiners.Len() != len(joiners) || r.Leavers.Len() != len(leavers) || r.Kept.Len() != len(kept) {
			t.Fatalf("a pair stands twice:\n%s\n%s\n%s", text(&r.Joiners), text(&r.Leavers), text(&r.Kept))
		}

		want := make(map[pair]bool) // pairs of the file that are resolved
		var doubts file
		compared := make(map[string]bool)
		for _, row := range f {
			_, exists := in[row.OrgID]
			if row.Err == nil && !exists {
				row.Err = coded(importer.CodeOrgNotFound)
			}
			if row.Err == nil {
				want[pair{row.OrgID, row.UserID}] = true
			} else {
				doubts = append(doubts, row)
			}
			if code, _ := row.Err.(*importer.Rejection); exists && (code == nil || code.Code != importer.CodeOtherOrg) {
				compared[row.OrgID] = true
			}
		}
		after := make(tenant)
		emptied := false
		for org := range in {
			after[org] = nil
			if !compared[org] {
				after[org] = in[org]
				continue
			}
			anybody := slices.ContainsFunc(in[org], func(m auth0.Member) bool { return want[pair{org, m.UserID}] })
			emptied = emptied || !anybody && len(in[org]) > 0
			for _, m := range in[org] {
				p := pair{org, m.UserID}
				inDoubt := !anybody || slices.ContainsFunc(doubts, func(row importer.Row) bool { return mayMean(row, org, m, in) })
				if leaves := !want[p] && !inDoubt; leaves != leavers[p] || kept[p] != (!want[p] && inDoubt) {
					t.Fatalf("%v: in doubt %v, leaves %v, kept %v", p, inDoubt, leavers[p], kept[p])
				}
				if !leavers[p] {
					after[org] = append(after[org], m)
				}
			}
		}
		for p := range want {
			isMember := slices.ContainsFunc(in[p.org], func(m auth0.Member) bool { return m.UserID == p.user })
			if joiners[p] == isMember {
				t.Fatalf("%v: a member %v, joins %v", p, isMember, joiners[p])
			}
			delete(joiners, p)
			if !isMember {
				after[p.org] = append(after[p.org], auth0.Member{UserID: p.user})
			}
		}
		if len(joiners) > 0 {
			t.Fatalf("nobody named %v", joiners)
		}
		again := compare(t, f, after)
		if again.Joiners.Len() > 0 || !emptied && (again.Leavers.Len() > 0 || text(&again.Kept) != text(&r.Kept)) {
			t.Fatalf("the second time:\n%s\n%s\n%s", text(&again.Joiners), text(&again.Leavers), text(&again.Kept))
		}
		if r.Rejected != len(doubts) || r.Doubtful < r.Rejected {
			t.Fatalf("%d rows rejected, %d of them in doubt, want %d", r.Rejected, r.Doubtful, len(doubts))
		}
	})
}

// TestOrder: lines are in byte order, as LC_ALL=C sort has them.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.SampledFrom([]rune("ab,\"| \nÄ")), 1, 4, -1)
		var f file
		in := tenant{"org_a": {member("ann")}}
		f = append(f, named("org_a", "ann"))
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			in["org_a"] = append(in["org_a"], auth0.Member{UserID: value.Draw(t, "id"), Email: value.Draw(t, "email"), Name: value.Draw(t, "name")})
			f = append(f, importer.Row{OrgID: "org_a", UserID: "auth0|" + value.Draw(t, "joiner"), Kept: []string{value.Draw(t, "kept")}})
		}
		r := compare(t, f, in, func(c *diff.Comparison) {
			if len(f) > 1 {
				f[0].Kept = []string{""}
			}
		})
		for _, l := range []*diff.Lines{&r.Joiners, &r.Leavers, &r.Kept} {
			lines := strings.Split(strings.TrimSuffix(text(l), "\n"), "\n")
			if l.Len() > 0 && (len(lines) != l.Len() || !slices.IsSorted(lines)) {
				t.Fatalf("%d records:\n%q", l.Len(), lines)
			}
		}
	})
}
