package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
)

// listServer lists the numbers from 0 on as members and as invitations.
type listServer struct {
	items   int
	page    int // largest; 0: as asked for
	total   int // added to the right one; -1: there is none
	form    string
	ignores bool // page and per_page
	oneWay  bool // ignores sort
}

func (l listServer) answer(_ int, r *http.Request, _ string) (*http.Response, error) {
	q := r.URL.Query()
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(q.Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	order := make([]int, l.items)
	for i := range order {
		order[i] = i
	}
	if q.Get("sort") == "created_at:1" && !l.oneWay {
		slices.Reverse(order)
	}
	size := number("take", number("per_page", 50))
	start := number("page", 0) * size
	if l.form == "next" {
		start = number("from", 0)
	}
	if l.ignores {
		start = 0
	}
	if l.form != "next" && start+size > 1000 {
		return reply(400, `{"statusCode":400,"error":"Bad Request","message":"You can only page through the first 1000 records.","errorCode":"invalid_paging"}`), nil
	}
	if l.page > 0 {
		size = min(size, l.page)
	}
	end := min(start+size, l.items)
	var items []string
	for _, n := range order[min(start, end):end] {
		items = append(items, fmt.Sprintf(`{"user_id":"u%d","id":"i%d","invitee":{"email":"u%d"}}`, n, n, n))
	}
	body := "[" + strings.Join(items, ",") + "]"
	name := "members"
	if strings.HasSuffix(r.URL.Path, "invitations") {
		name = "invitations"
	}
	switch l.form {
	case "next":
		next := ""
		if end < l.items {
			next = fmt.Sprintf(`,"next":"%d"`, end)
		}
		body = fmt.Sprintf(`{"%s":%s%s}`, name, body, next)
	case "numbers":
		total := ""
		if l.total >= 0 {
			total = fmt.Sprintf(`,"total":%d`, l.items+l.total)
		}
		body = fmt.Sprintf(`{"%s":%s,"start":%d,"limit":%d%s}`, name, body, start, size, total)
	}
	return reply(200, body), nil
}

// TestListsAreReadToTheirEnd tests each form of a list, with pages of each size.
func TestListsAreReadToTheirEnd(t *testing.T) {
	for _, form := range []string{"array", "numbers", "next"} {
		for _, items := range []int{0, 1, 49, 100, 101, 250, 900} {
			for _, page := range []int{0, 50, 37} {
				for _, total := range []int{0, -1} {
					s := &sender{Answer: listServer{items: items, page: page, total: total, form: form}.answer}
					c := newClient(t, s)
					ids, err := list(t, c)
					slices.Sort(ids)
					if ids = slices.Compact(ids); err != nil || len(ids) != items {
						t.Errorf("%s: %d of %d members with pages of %d, total %d, error %v", form, len(ids), items, page, total, err)
					}
					if size := max(1, min(100, items)); page == 0 && s.Count() > items/size+3 {
						t.Errorf("%s: %d requests for %d members", form, s.Count(), items)
					}
					if form == "next" {
						continue
					}
					if people, err := invitees(t, c); err != nil || len(people) != items {
						t.Errorf("%s: %d of %d invitations with pages of %d, total %d, error %v", form, len(people), items, page, total, err)
					}
				}
			}
		}
	}
}

func invitees(t *testing.T, c *auth0.Client) (map[string]bool, error) {
	people := make(map[string]bool)
	for address, err := range c.Invitees(t.Context(), "org_1") {
		if err != nil {
			return people, err
		}
		people[address] = true
	}
	return people, nil
}

// TestListsFromBothEnds: of a list by page number the API shows 1,000 from each.
func TestListsFromBothEnds(t *testing.T) {
	for items, capped := range map[int]bool{999: false, 1000: false, 1001: false, 1500: false, 1950: false, 2001: true, 2500: true} {
		for _, total := range []int{0, -1} {
			s := &sender{Answer: listServer{items: items, total: total, form: "numbers"}.answer}
			people, err := invitees(t, newClient(t, s))
			if len(people) != min(items, 2000) || extent(err) != map[bool]string{false: "", true: "capped"}[capped] {
				t.Errorf("%d of %d invitations, error %v", len(people), items, err)
			}
			if s.Count() > 20 {
				t.Errorf("%d requests for %d invitations", s.Count(), items)
			}
		}
	}
	// Only the total shows that nothing lies between the ends.
	for total, want := range map[int]string{0: "", -1: "capped"} {
		s := &sender{Answer: listServer{items: 2000, total: total, form: "numbers"}.answer}
		if people, err := invitees(t, newClient(t, s)); len(people) != 2000 || extent(err) != want {
			t.Errorf("total %d: %d of 2000 invitations, error %v", total, len(people), err)
		}
	}
	// A server that ignores the order shows the same end twice.
	for items, want := range map[int]string{900: "", 1001: "capped", 1300: "capped"} {
		for _, total := range []int{0, -1} {
			s := &sender{Answer: listServer{items: items, total: total, form: "numbers", oneWay: true}.answer}
			if people, err := invitees(t, newClient(t, s)); len(people) != min(items, 1000) || extent(err) != want {
				t.Errorf("total %d: %d of %d invitations from one end, error %v", total, len(people), items, err)
			}
		}
	}
}

// extent returns the extent of a list that err ended.
func extent(err error) string {
	e, ok := errors.AsType[*auth0.ListError](err)
	if !ok {
		return ""
	}
	return map[auth0.Extent]string{auth0.Absent: "absent", auth0.Refused: "refused", auth0.Cut: "cut", auth0.Capped: "capped", auth0.Lagging: "lagging"}[e.Extent]
}

// TestListsSayHowFarTheyWereRead: only a 404 in Auth0's words means that the list
// is empty.
func TestListsSayHowFarTheyWereRead(t *testing.T) {
	const envelope = `{"statusCode":%d,"error":"X","message":"%s"}`
	for want, all := range map[string][]func(int, *http.Request, string) (*http.Response, error){
		"absent": {
			always(404, fmt.Sprintf(envelope, 404, "No organization found by that id or name")),
			always(404, fmt.Sprintf(envelope, 404, "The organization does not exist.")),
			always(400, `{"statusCode":400,"error":"Bad Request","message":"Path validation error: 'String is too long (51 chars), maximum 50' on property id.","errorCode":"invalid_uri"}`),
		},
		"refused": {
			always(404, fmt.Sprintf(envelope, 404, "Not Found")),
			always(403, fmt.Sprintf(envelope, 403, "You are not allowed to read this organization")),
			always(400, fmt.Sprintf(envelope, 400, "Bad Request")),
			pages(`{"members":[{"user_id":"a"}],"next":"1"}`, `{"members":[{"user_id":"a"}],"next":"2"}`),
			listServer{items: 250, form: "array", ignores: true}.answer,
		},
		"lagging": {
			listServer{items: 70, total: 5, form: "numbers"}.answer,
			listServer{total: 5, form: "numbers"}.answer,
		},
		"cut": {
			midway(`null`),
			midway(`{}`),
			midway(`{"members":null}`),
			midway(`{"members":[{"id":"a"}]}`),
			midway(`{"members":[{"user_id":"a"},{"user_id":null}]}`),
			midway(`{"members":["a"]}`),
			midway(`{"members":[{"user_id":"a`),
		},
		"capped": {listServer{items: 1001, form: "numbers"}.answer, listServer{items: 1000, total: -1, form: "array"}.answer},
		"":       {listServer{items: 20, form: "array", ignores: true}.answer},
	} {
		for i, answer := range all {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, &sender{Answer: answer})
				if _, err := list(t, c); extent(err) != want {
					t.Errorf("%d is %q, want %q: %v", i, extent(err), want, err)
				}
			})
		}
	}
}

// midway answers with a first page and then with something else.
func midway(body string) func(int, *http.Request, string) (*http.Response, error) {
	return func(_ int, r *http.Request, _ string) (*http.Response, error) {
		if r.URL.Query().Has("from") {
			return reply(200, body), nil
		}
		return reply(200, `{"members":[{"user_id":"b"}],"next":"1"}`), nil
	}
}

// TestWhatIsNoPageIsAskedForAgain, like any other answer that is not the API's.
func TestWhatIsNoPageIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := []string{`{"members":[{"user_id":"a"}],"next":"1"}`, `{"members":[{"user_id":"b"},{}],"next":"2"}`, `{"members":[{"user_id":"c"}]}`}
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) { return reply(200, bodies[n-1]), nil }}
		if ids, err := list(t, newClient(t, s)); err != nil || !slices.Equal(ids, []string{"a", "c"}) {
			t.Errorf("%q, %v", ids, err)
		}
	})
}

// TestTheListOfInvitations is requested without its links.
func TestTheListOfInvitations(t *testing.T) {
	s := &sender{Answer: listServer{items: 1001, form: "numbers", total: -1}.answer}
	if _, err := invitees(t, newClient(t, s)); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests {
		want := url.Values{
			"sort": {"created_at:-1"}, "fields": {"id,invitee,created_at,expires_at"}, "include_fields": {"true"},
			"include_totals": {"true"}, "per_page": {"100"}, "page": r.URL.Query()["page"],
		}
		if s.Requests[10] == r {
			want["sort"] = []string{"created_at:1"}
		}
		if got := r.URL.Query(); got.Encode() != want.Encode() {
			t.Errorf("asked for %s, want %s", got.Encode(), want.Encode())
		}
	}
}

// TestNobodyIsInvitedTwiceBecauseOfManyInvitations: those that can't be listed may be
// pending.
func TestNobodyIsInvitedTwiceBecauseOfManyInvitations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{})
		for i := range 2500 {
			tenant.AddInvitations(auth0test.Invitation{
				OrgID: "org_a", Email: fmt.Sprintf("p%d@acme.com", i),
				Created: time.Now().Add(-time.Duration(i) * time.Second), Expires: time.Now().Add(time.Hour),
			})
		}
		v, _ := newInviter(t, tenant)
		got := statuses(assign(t, v.Op(), 1, invitee("org_a", "p5@acme.com"), invitee("org_a", "p2499@acme.com"), invitee("org_a", "p1250@acme.com"), invitee("org_b", "new@acme.com")))
		if want := []string{"already_invited", "already_invited", "failed invitations_unlisted", "invited"}; !slices.Equal(got, want) || posts(tenant) != 1 {
			t.Errorf("%q with %d mails, want %q", got, posts(tenant), want)
		}
	})
}
