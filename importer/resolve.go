package importer

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// The error codes of rows that can't be resolved.
const (
	CodeUserNotFound       = "user_not_found"
	CodeUserAmbiguous      = "user_ambiguous"
	CodeEmailUnverified    = "email_unverified"
	CodeConnectionNotFound = "connection_not_found"
	CodeOrgNotFound        = "organization_not_found"
	CodeOrgAmbiguous       = "organization_ambiguous"
)

// Unresolved is the Err of a row whose keys or ids do not lead to exactly one
// organization and one user of the tenant, or lead to a user whose e-mail address
// is not verified. The row is rejected.
type Unresolved struct {
	code, message string
}

func (e *Unresolved) Error() string { return e.message }

// Code returns the error code of the row.
func (e *Unresolved) Code() string { return e.code }

// errNotLookedUp is the Err of a row that was not in the file when the keys were
// collected.
var errNotLookedUp = errors.New("the file has changed: this row's keys were not in it when they were looked up")

// Resolve fills in the ids of the organization and the user that the keys of a
// row name according to d, and marks rows that are members already as [Decided].
// A row whose keys match nothing, or more than one, is rejected with an
// *[Unresolved]; so is one whose id the tenant does not have, if ids were looked
// up. If d is nil, the rows pass unchanged.
func Resolve(rows iter.Seq2[Row, error], d *Directory) iter.Seq2[Row, error] {
	if d == nil {
		return rows
	}
	return Each(rows, func(row *Row) error {
		if row.Err == nil {
			d.resolve(row)
		}
		return nil
	})
}

func (d *Directory) resolve(row *Row) {
	org, user, connection := d.keys(*row)
	orgID, orgErr := d.organization(org)
	userID, userErr := d.user(user, connection)
	row.OrgID, row.UserID = cmp.Or(row.OrgID, orgID), cmp.Or(row.UserID, userID)
	switch {
	case orgErr != nil:
		row.Err = orgErr
	case userErr != nil:
		row.Err = userErr
	case d.Members.Len() > 0 && d.Members.Has(PairKey(*row)):
		row.Err = &Decided{Status: AlreadyMember, Message: "a member already, according to the organization's list of members"}
	}
	if row.OrgID != "" && row.UserID != "" {
		row.Keys = nil
	}
}

// organization returns the id of the organization that a key names. The error
// says why there is none.
func (d *Directory) organization(k Key) (string, error) {
	if k.Kind == "" {
		return "", nil
	}
	m, place := d.Orgs.match(k, "")
	switch {
	case m == nil:
		return "", errNotLookedUp
	case m.count == 0:
		return "", &Unresolved{CodeOrgNotFound, "no organization " + having(k, KindOrgID) + d.NotFound[k.Kind]}
	case m.count > 1:
		return "", &Unresolved{CodeOrgAmbiguous, fmt.Sprintf("%s organizations have it: %s: give the organization id", m.many(), d.Orgs.ids(place))}
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
		return "", &Unresolved{CodeConnectionNotFound, "there is no connection " + connection}
	}
	m, place := d.Users.match(k, connection)
	switch {
	case m == nil:
		return "", errNotLookedUp
	case m.count == 0:
		who := "no user "
		if connection != "" {
			who = "no user of the connection " + connection + " "
		}
		return "", &Unresolved{CodeUserNotFound, who + having(k, KindUserID) + d.NotFound[k.Kind]}
	case m.count > 1:
		way := "give a connection or the user id"
		if connection != "" {
			way = "give the user id"
		}
		return "", &Unresolved{CodeUserAmbiguous, fmt.Sprintf("%s users have it: %s: %s", m.many(), d.Users.ids(place), way)}
	case k.Kind == KindEmail && !m.verified && !d.AllowUnverified:
		return "", &Unresolved{CodeEmailUnverified, m.id + " has not verified it (--allow-unverified)"}
	}
	return m.id, nil
}

// many returns how many share a key, as text.
func (m *match) many() string {
	if m.count > maxIDs {
		return fmt.Sprintf("more than %d", maxIDs)
	}
	return strconv.Itoa(int(m.count))
}

// ids returns the ids that share the key at a place, up to three.
func (x *Index) ids(place int32) string {
	ids := slices.Sorted(slices.Values(append([]string{x.matches[place].id}, x.others[place]...)))
	return strings.Join(ids, ", ")
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
