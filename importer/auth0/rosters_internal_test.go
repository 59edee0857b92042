package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/internal/fakehttp"
	"orgimport/importer/retry"
)

// rosterTenant has organizations with members; b does not exist, and c is refused.
func rosterTenant(t *testing.T, members map[string][]string) *Client {
	t.Helper()
	tenant := auth0test.New(auth0test.Config{
		NoAuth:   true,
		KnownOrg: func(id string) bool { return id != "b" },
	})
	for org, ids := range members {
		tenant.AddMembers(org, ids...)
	}
	twice := `{"members":[{"user_id":"1|"},{"user_id":"2|"},{"user_id":"1|"}]}` // as when others are added meanwhile
	base, err := ParseDomain("acme.eu.auth0.com")
	if err != nil {
		t.Fatal(err)
	}
	return &Client{BaseURL: base, HTTP: retry.NewHTTPClient(&fakehttp.Sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/c/") {
			return fakehttp.Reply(403, `{"statusCode":403,"error":"Forbidden","message":"You are not allowed to read this organization"}`), nil
		}
		if strings.Contains(r.URL.Path, "/twice/") {
			return fakehttp.Reply(200, twice), nil
		}
		return tenant.RoundTrip(r)
	}})}
}

func organizations(ids ...string) (orgs []Organization) {
	for _, id := range ids {
		orgs = append(orgs, Organization{ID: id})
	}
	return orgs
}

func TestRostersComeInOrder(t *testing.T) {
	client := rosterTenant(t, map[string][]string{"a": {"3|", "1|", "2|"}, "d": {}, "e": {"x|"}})
	for _, workers := range []int{1, 2, 32} {
		rs := &Rosters{Client: client, Workers: workers, maxAhead: 2}
		var got []string
		for r, err := range rs.Of(t.Context(), organizations("a", "b", "d", "e", "twice")) {
			if err != nil {
				t.Fatal(err)
			}
			text := r.ID
			if r.Absent != nil {
				text += " gone"
			}
			for _, m := range r.Members {
				text += " " + m.UserID
			}
			got = append(got, text)
		}
		if want := []string{"a 1| 2| 3|", "b gone", "d", "e x|", "twice 1| 2|"}; !slices.Equal(got, want) || rs.Read.Load() != 7 {
			t.Errorf("%d workers: %q after %d members", workers, got, rs.Read.Load())
		}
	}
}

// TestRostersWaitForTheirTurn: the second of two large organizations is read while
// the first is, and waits until there is room.
func TestRostersWaitForTheirTurn(t *testing.T) {
	const most = 1000 // members, of organizations whose turn has not come
	large := make([]string, most+500)
	for i := range large {
		large[i] = fmt.Sprintf("auth0|%09d", i)
	}
	rs := &Rosters{Client: rosterTenant(t, map[string][]string{"a": large, "d": large, "e": large}), Workers: 3, maxAhead: most / pageSize}
	members := 0
	for r, err := range rs.Of(t.Context(), organizations("a", "d", "e")) {
		if err != nil {
			t.Fatal(err)
		}
		members += len(r.Members)
		if ahead := int(rs.Read.Load()) - members; ahead > most {
			t.Errorf("%s: %d members are held, want %d at most", r.ID, ahead, most)
		}
	}
	if members != 3*len(large) {
		t.Errorf("%d members", members)
	}
}

func TestRostersEnd(t *testing.T) {
	client := rosterTenant(t, map[string][]string{"a": {"1|"}, "d": {"2|"}})
	read := func(ctx context.Context, each func(Roster)) (written []string, err error) {
		for r, err := range (&Rosters{Client: client, Workers: 3}).Of(ctx, organizations("a", "c", "d")) {
			if err != nil {
				return written, err
			}
			written = append(written, r.ID)
			each(r)
		}
		return written, nil
	}
	written, err := read(t.Context(), func(Roster) {})
	list, ok := errors.AsType[*ListError](err)
	if !slices.Equal(written, []string{"a"}) || !ok || list.Extent != Refused || !strings.Contains(err.Error(), "the members of c") {
		t.Errorf("when an organization can't be read: %q, error %v", written, err)
	}
	broken := errors.New("broken")
	ctx, stop := context.WithCancelCause(t.Context())
	if _, err := read(ctx, func(Roster) { stop(broken) }); !errors.Is(err, broken) {
		t.Errorf("when it is stopped: error %v", err)
	}
	for range (&Rosters{Client: client, Workers: 3}).Of(t.Context(), organizations("a", "d")) {
		break // goleak sees what is left
	}
}
