package csvfile

import (
	"slices"
	"strings"

	"orgimport/importer"
)

// field is what a column can mean.
type field int

const (
	fieldNone field = iota
	fieldOrgID
	fieldOrg // an id or a name: as Dialect.OrgBy says, otherwise by its looks
	fieldOrgName
	fieldUserID
	fieldUser // an id or an e-mail: as Dialect.UserBy says, otherwise by its looks
	fieldEmail
	fieldConnection
	fieldRoles

	// Only results files have these.
	fieldStatus
	fieldCode
	fieldMessage
	fieldCorrelationID

	fieldCount
)

// fields describes the fields. The tag is that in record, and the name of the
// column in a results file. The names are those of the column in other files, as
// fold returns them. A file has at most one column for each field.
var fields = [fieldCount]struct {
	tag   string
	names []string
}{
	fieldOrgID:         {"org_id", []string{"orgid", "organizationid"}},
	fieldOrg:           {"org", []string{"org", "organization"}},
	fieldOrgName:       {"org_name", []string{"orgname", "organizationname"}},
	fieldUserID:        {"user_id", []string{"userid", "sub"}},
	fieldUser:          {"user", []string{"user"}},
	fieldEmail:         {"email", []string{"email", "mail", "useremail", "emailaddress"}},
	fieldConnection:    {"connection", []string{"connection"}},
	fieldRoles:         {"roles", []string{"roles", "role", "roleids", "rolenames"}},
	fieldStatus:        {"status", nil},
	fieldCode:          {"error_code", nil},
	fieldMessage:       {"message", nil},
	fieldCorrelationID: {"correlation_id", nil},
}

// named reports whether a column of that name is known as the field.
func (f field) named(name string) bool { return slices.Contains(fields[f].names, fold(name)) }

// record is what gocsv makes of a record.
type record struct {
	OrgID         string `csv:"org_id"`
	Org           string `csv:"org"`
	OrgName       string `csv:"org_name"`
	UserID        string `csv:"user_id"`
	User          string `csv:"user"`
	Email         string `csv:"email"`
	Connection    string `csv:"connection"`
	Roles         string `csv:"roles"`
	Status        string `csv:"status"`
	Code          string `csv:"error_code"`
	Message       string `csv:"message"`
	CorrelationID string `csv:"correlation_id"`
}

// values are the values of a record by field.
type values [fieldCount]string

func (r *record) values() values {
	return values{
		fieldOrgID: r.OrgID, fieldOrg: r.Org, fieldOrgName: r.OrgName,
		fieldUserID: r.UserID, fieldUser: r.User, fieldEmail: r.Email,
		fieldConnection: r.Connection, fieldRoles: r.Roles,
		fieldStatus: r.Status, fieldCode: r.Code, fieldMessage: r.Message, fieldCorrelationID: r.CorrelationID,
	}
}

// side is one of the two things that a row names: its organization or its user.
// The first of its fields that is not empty counts.
type side struct {
	title  string
	flag   string // --org-column, --org-by
	fields [3]field
	kinds  [3]string // of keys in the fields; empty: an id if isID, otherwise the last
	isID   func(value string) bool
}

var (
	orgSide = side{
		title: "organization", flag: "org",
		fields: [3]field{fieldOrgID, fieldOrg, fieldOrgName},
		kinds:  [3]string{importer.KindOrgID, "", kindName},
		isID:   isOrgShaped,
	}
	userSide = side{
		title: "user", flag: "user",
		fields: [3]field{fieldUserID, fieldUser, fieldEmail},
		kinds:  [3]string{importer.KindUserID, "", importer.KindEmail},
		isID:   func(v string) bool { return !strings.Contains(v, "@") || strings.Contains(v, "|") },
	}
)

const kindName = "name" // of an organization

// by returns the side with a second field that holds keys of this kind.
func (s side) by(kind string) side {
	s.kinds[1] = kind
	return s
}

// ref is how a row names its organization or its user.
type ref struct {
	kind, value string
	from        field // fieldNone: --org
}

// ref returns what a value of the field names.
func (s *side) ref(f field, value string) ref {
	kind := s.kinds[slices.Index(s.fields[:], f)]
	switch {
	case kind != "":
	case s.isID(value):
		kind = s.kinds[0]
	default:
		kind = s.kinds[2]
	}
	return ref{kind, value, f}
}

// find returns the first value of a side that is not empty.
func (v *values) find(s *side) ref {
	for _, f := range s.fields {
		if v[f] != "" {
			return s.ref(f, v[f])
		}
	}
	return ref{}
}

// findKey returns the first value of a side that is not empty and not an id.
func (v *values) findKey(s *side) ref {
	for _, f := range s.fields {
		if r := s.ref(f, v[f]); r.value != "" && r.kind != s.kinds[0] {
			return r
		}
	}
	return ref{}
}
