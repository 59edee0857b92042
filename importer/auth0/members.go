package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"orgimport/importer"
)

// MaxMembers is how many users one request can add. The number is from the prose of
// Auth0's documents ("10 members per organization per request"); the API's schema has
// no such bound.
const MaxMembers = 10

// Import returns the operation that makes users members of organizations, with
// POST /api/v2/organizations/{id}/members, sent again as long as the failure may
// pass. Adding a user twice adds them once, so a request whose answer was lost is
// safe to repeat.
//
// The error of Send is an [*Error] with the reach of the refusal, a
// [*CredentialsError], a [*ConfigError], or one of [retry.Client.Do] or of the
// transport. The receipt is filled in as far as the request got, even with an error.
func (c *Client) Import() importer.Op {
	return importer.Op{
		Name: "import", Prefix: "oi", Size: MaxMembers,
		Done: importer.Added, Already: importer.AlreadyMember, Send: c.writeMembers(http.MethodPost),
	}
}

// Remove returns the operation that takes users out of organizations, with
// DELETE /api/v2/organizations/{id}/members. It shares its limit with adding.
// Removing a user who is not a member is no error, so a request whose answer was
// lost is safe to repeat.
//
// The errors of Send are those of [Client.Import].
func (c *Client) Remove() importer.Op {
	return importer.Op{Name: "remove", Prefix: "or", Size: MaxMembers, Done: importer.Removed, Send: c.writeMembers(http.MethodDelete)}
}

// writeMembers returns a Send that uses a method on the members of an organization.
func (c *Client) writeMembers(method string) func(context.Context, importer.Batch) (importer.Receipt, error) {
	return func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		path, err := organizationPath(b.OrgID, "members")
		return c.write(ctx, method, path, err, map[string][]string{"members": b.UserIDs()})
	}
}

// Member is a user in an organization.
type Member struct {
	UserID string  `json:"user_id"`
	Email  string  `json:"email"`
	Name   string  `json:"name"`
	Roles  RoleIDs `json:"roles"` // in this organization
}

// UnmarshalJSON refuses an object without an id: it does not say who is there.
func (m *Member) UnmarshalJSON(data []byte) error {
	type plain Member
	return unmarshalItem(data, (*plain)(m), &m.UserID, "a member without a user id")
}

// The fields of a [Member] beside the user's id. Roles require the scope
// read:organization_member_roles.
const (
	FieldEmail = "email"
	FieldName  = "name"
	FieldRoles = "roles"
)

// Members yields the members of an organization, with their ids and the given
// fields, page by page as it is ranged over. A member who was just added may be
// missing ("subject to eventual consistency"), and one may come twice if others are
// added or removed meanwhile.
//
// An error ends the sequence: a *[ListError], or one of those of [Client.Import] that
// end the run.
func (c *Client) Members(ctx context.Context, orgID string, fields ...string) iter.Seq2[Member, error] {
	return items(c.memberPages(ctx, orgID, fields...))
}

// MemberPage is a page of the list of an organization's members.
type MemberPage struct {
	OrgID   string
	Members []Member
	Last    bool       // no page of this list follows
	Absent  *ListError // the organization does not exist, or not any more
}

// MemberPages yields the members of organizations, of so many at a time, page by page
// as they come. Members are as [Client.Members] has them, and so are the errors; one
// ends the sequence.
func (c *Client) MemberPages(ctx context.Context, orgIDs []string, workers int, fields ...string) iter.Seq2[MemberPage, error] {
	return askAll(ctx, workers, orgIDs, func(ctx context.Context, orgID string) iter.Seq2[MemberPage, error] {
		return func(yield func(MemberPage, error) bool) {
			for page, err := range c.memberPages(ctx, orgID, fields...) {
				if list, ok := errors.AsType[*ListError](err); ok && list.Extent == Absent {
					yield(MemberPage{OrgID: orgID, Last: true, Absent: list}, nil)
					return
				}
				if !yield(MemberPage{OrgID: orgID, Members: page.items}, err) || err != nil {
					return
				}
			}
			yield(MemberPage{OrgID: orgID, Last: true}, nil)
		}
	})
}

func (c *Client) memberPages(ctx context.Context, orgID string, fields ...string) iter.Seq2[page[Member], error] {
	path, err := organizationPath(orgID, "members")
	return pages[Member](ctx, c, list{
		what: "the members of " + orgID, path: path, err: err, name: "members", query: url.Values{
			"fields":         {strings.Join(append([]string{"user_id"}, fields...), ",")},
			"include_fields": {"true"},
		},
	})
}

// RoleIDs are the ids of roles, in ascending order.
type RoleIDs []string

// UnmarshalJSON reads roles as the API lists them, with their names.
func (ids *RoleIDs) UnmarshalJSON(data []byte) error {
	var roles []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &roles); err != nil {
		return err
	}
	*ids = make(RoleIDs, len(roles))
	for i, role := range roles {
		(*ids)[i] = role.ID
	}
	slices.Sort(*ids)
	return nil
}

// maxAhead is how many pages may be held of organizations whose turn has not come.
// Their members take about 40 MB.
const maxAhead = 200_000 / pageSize

// Rosters reads the members of several organizations at a time, and yields the
// organizations in order. It holds the members of the organization whose turn it is,
// and some pages of those after it. It is for one use.
type Rosters struct {
	Client  *Client
	Fields  []string // as of [Client.Members]
	Workers int      // organizations read at a time, at most

	// Read counts the members that have been read.
	Read atomic.Int64

	maxAhead int // 0: maxAhead
}

// Roster is an organization and all of its members, sorted by id and without
// duplicates.
type Roster struct {
	Organization
	Members []Member

	// Absent says that the organization does not exist any more; nil if it does.
	Absent *ListError
}

// filling is a roster that is being read.
type filling struct {
	Roster
	err   error         // why its members are not all there
	turn  chan struct{} // closed when its turn comes
	done  chan struct{} // closed when all members are read, or err is set
	ahead int           // pages that take room
}

// Of yields the rosters of organizations. An error ends the sequence: that of an
// organization whose members can't be read to the end, or one that ends the run.
func (rs *Rosters) Of(ctx context.Context, orgs []Organization) iter.Seq2[Roster, error] {
	return func(yield func(Roster, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		room := make(chan struct{}, cmp.Or(rs.maxAhead, maxAhead))
		fillings := make(chan *filling, rs.Workers-1)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		readers.Go(func() {
			defer close(fillings)
			for _, org := range orgs {
				f := &filling{Roster: Roster{Organization: org}, turn: make(chan struct{}), done: make(chan struct{})}
				select {
				case fillings <- f:
					readers.Go(func() { rs.fill(ctx, f, room) })
				case <-ctx.Done():
					return
				}
			}
		})
		for f := range fillings {
			close(f.turn)
			<-f.done
			for range f.ahead {
				<-room
			}
			if list, ok := errors.AsType[*ListError](f.err); ok && list.Extent == Absent {
				f.Absent, f.Members, f.err = list, nil, nil
			}
			if f.err != nil {
				yield(Roster{}, cmp.Or(context.Cause(ctx), f.err))
				return
			}
			if !yield(f.Roster, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Roster{}, context.Cause(ctx))
		}
	}
}

// fill reads the members of an organization. Until its turn comes, each page takes
// room.
func (rs *Rosters) fill(ctx context.Context, f *filling, room chan<- struct{}) {
	defer close(f.done)
	for page, err := range rs.Client.memberPages(ctx, f.ID, rs.Fields...) {
		if err != nil {
			f.err = err
			return
		}
		select {
		case <-f.turn:
		case room <- struct{}{}:
			f.ahead++
		case <-ctx.Done():
			f.err = ctx.Err()
			return
		}
		f.Members = append(f.Members, page.items...)
		rs.Read.Add(int64(len(page.items)))
	}
	slices.SortStableFunc(f.Members, func(a, b Member) int { return strings.Compare(a.UserID, b.UserID) })
	f.Members = slices.CompactFunc(f.Members, func(a, b Member) bool { return a.UserID == b.UserID })
}
