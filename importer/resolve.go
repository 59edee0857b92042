package importer

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// The error codes of rows that can't be resolved: those of a *[Rejection].
const (
	CodeUserNotFound       = "user_not_found"
	CodeUserAmbiguous      = "user_ambiguous"
	CodeEmailUnverified    = "email_unverified"
	CodeConnectionNotFound = "connection_not_found"
	CodeOrgNotFound        = "organization_not_found"
	CodeOrgAmbiguous       = "organization_ambiguous"
)

const (
	// CodeMembersUnlisted is the error code of a row that failed because the list of
	// its organization's members could not be read to its end.
	CodeMembersUnlisted = "members_unlisted"
	// CodeUnknownOrigin is the error code of a row whose user is a member, and may
	// be one because of a request of an earlier run whose answer was lost.
	CodeUnknownOrigin = "unknown_origin"
)

// Rejection is the Err of a row that names something that the tenant does not have,
// or nothing in particular. The row is rejected.
type Rejection struct {
	Code    string
	Message string

	// Candidates are the ids of all users, or organizations, that the row may
	// mean. The message shows at most three.
	Candidates []string
}

func (e *Rejection) Error() string { return e.Message }

// Unresolved reports whether the row's keys or ids do not lead to one organization
// and one user of the tenant.
func (e *Rejection) Unresolved() bool {
	switch e.Code {
	case CodeUserNotFound, CodeUserAmbiguous, CodeEmailUnverified, CodeConnectionNotFound, CodeOrgNotFound, CodeOrgAmbiguous:
		return true
	}
	return false
}

// errNotLookedUp is the Err of a row that was not in the file when the keys were
// collected.
var errNotLookedUp = errors.New("the file has changed: this row's keys were not in it when they were looked up")

// Resolve fills in the ids of the organization and the user that the keys of a
// row name according to d. Rows that are members already, and those for which
// something could not be read, are marked as [Decided]. A row whose keys match
// nothing, or more than one, is rejected with a *[Rejection]; so is one whose id the
// tenant does not have, if ids were looked up. A row with Err gets only the id of its
// organization. If d is nil, the rows pass unchanged.
func Resolve(rows iter.Seq2[Row, error], d *Directory) iter.Seq2[Row, error] {
	if d == nil {
		return rows
	}
	return Each(rows, func(row *Row) error {
		switch {
		case row.Err == nil:
			d.resolve(row)
		case row.Keys != nil:
			org, _, _ := d.keys(*row)
			id, _ := d.organization(org)
			row.OrgID = cmp.Or(row.OrgID, id)
		}
		return nil
	})
}

func (d *Directory) resolve(row *Row) {
	if ids, found := d.earlier(*row); found {
		row.OrgID, row.UserID = ids[0], ids[1]
	} else {
		org, user, connection := d.keys(*row)
		orgID, orgErr := d.organization(org)
		userID, userErr := d.user(user, connection)
		row.OrgID, row.UserID = cmp.Or(row.OrgID, orgID), cmp.Or(row.UserID, userID)
		row.Err = cmp.Or(orgErr, userErr)
	}
	if m := d.Member(*row); m != nil && row.Err == nil {
		row.Err = m
	}
	if row.OrgID != "" && row.UserID != "" {
		row.Keys = nil
	}
}

// Member returns the outcome of a row whose user is a member, or may be one as far as
// could be read; nil if the user is none.
func (d *Directory) Member(row Row) *Decided {
	page, found := 0, false
	if d.members.Len() > 0 {
		page, found = d.members.Line(PairKey(row))
	}
	if !found {
		return d.unlisted[row.OrgID]
	}
	m := &Decided{Status: AlreadyMember, Message: "a member already, according to the organization's list of members", CorrelationID: d.pages[page]}
	if d.Resumed {
		m.Code = CodeUnknownOrigin
		m.Message += "; an earlier run may have added the user"
	}
	return m
}

// organization returns the id of the organization that a key names. The error
// says why there is none.
func (d *Directory) organization(k Key) (string, error) {
	if k.Kind == "" {
		return "", nil
	}
	place, wanted := d.Orgs.place(k, "")
	if !wanted {
		return "", errNotLookedUp
	}
	m := d.Orgs.matches[place]
	switch {
	case d.Orgs.failures[place] != nil:
		return "", d.Orgs.failures[place]
	case m.id == "":
		return "", &Rejection{Code: CodeOrgNotFound, Message: "no organization " + having(k, KindOrgID) + d.NotFound[k.Kind]}
	case d.Orgs.others[place] != nil:
		return "", d.Orgs.ambiguous(place, CodeOrgAmbiguous, "organizations", "give the organization id")
	}
	return m.id, nil
}

// user returns the id of the user that a key names. The error says why there is
// none.
func (d *Directory) user(k Key, connection string) (string, error) {
	if k.Kind == "" {
		return "", nil
	}
	if d.NoConnection[connection] {
		return "", &Rejection{Code: CodeConnectionNotFound, Message: "there is no connection " + connection}
	}
	place, wanted := d.Users.place(k, connection)
	if !wanted {
		return "", errNotLookedUp
	}
	m := d.Users.matches[place]
	switch {
	case d.Users.failures[place] != nil:
		return "", d.Users.failures[place]
	case m.id == "":
		who := "no user "
		if connection != "" {
			who = "no user of the connection " + connection + " "
		}
		return "", &Rejection{Code: CodeUserNotFound, Message: who + having(k, KindUserID) + d.NotFound[k.Kind]}
	case d.Users.others[place] != nil:
		way := "give a connection or the user id"
		if connection != "" {
			way = "give the user id"
		}
		return "", d.Users.ambiguous(place, CodeUserAmbiguous, "users", way)
	case k.Kind == KindEmail && !m.verified && !d.AllowUnverified:
		return "", &Rejection{Code: CodeEmailUnverified, Message: m.id + " has not verified it (--allow-unverified)", Candidates: []string{m.id}}
	}
	return m.id, nil
}

// maxShown is the largest number of candidates that a message shows.
const maxShown = 3

// ambiguous returns the Err of a row with the key at a place, which several share.
func (x *Index) ambiguous(place int32, code, who, way string) *Rejection {
	ids := append([]string{x.matches[place].id}, x.others[place]...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	shown := strings.Join(ids[:min(len(ids), maxShown)], ", ")
	return &Rejection{code, fmt.Sprintf("%d %s have it: %s: %s", len(ids), who, shown, way), ids}
}

// having returns the end of a message such as "no user has the e-mail
// ann@acme.com"; for a key of the kind id, only the value.
func having(k Key, id string) string {
	value := strings.TrimSpace(k.Value)
	switch k.Kind {
	case id:
		return value
	case KindEmail:
		return "has the e-mail " + value
	case "phone_number", "display_name":
		return "has the " + strings.Replace(k.Kind, "_", " ", 1) + " " + value
	}
	return "has the " + k.Kind + " " + value
}
