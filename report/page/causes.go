package page

import (
	"cmp"

	"orgimport/importer"
	"orgimport/report"
)

// maxPageCauses is how many causes the page shows.
const maxPageCauses = 40

// causeView is a cause as the page shows it.
type causeView struct {
	report.Cause
	advice
	Said string // the message, as it was if there is only one row
	More int    // rows beside the examples
}

// advice is what to do about a cause.
type advice struct {
	Title string // what it most likely is, in a few words
	Do    string
}

// advise returns what to do about a cause. Page.Advise knows what the answers of
// the server mean.
func (p *Page) advise(c report.Cause) advice {
	switch {
	case c.Status == importer.Sending:
		return advice{"The run ended while the request was under way", "It is not known whether it was done. Continue with --resume: the next run finds out, as far as it can be found out."}
	case c.Status == importer.Rejected:
		return adviseRejected(c.Code)
	case p.Advise != nil:
		title, do := p.Advise(c.HTTPStatus, c.Code, c.Message)
		return advice{title, do}
	}
	return advice{"Refused", "Look the request up in the tenant's logs by its correlation id."}
}

// rejections says what to do about rows that were never sent, by error code.
var rejections = map[string]advice{
	importer.CodeUserNotFound:       {"The tenant has no such user", "Look for a spelling mistake, a user who was deleted, or one of another tenant. Create the user first, then run again with --resume."},
	importer.CodeUserAmbiguous:      {"Several users have the same key", "The message names some of them. Give the row a connection, or the id of the right user."},
	importer.CodeEmailUnverified:    {"The e-mail address is not verified", "Anybody can sign up with the address of somebody else. Have the user verify it, give the user's id, or accept such users with --allow-unverified."},
	importer.CodeConnectionNotFound: {"The tenant has no such connection", "Connections are named as in the dashboard. Correct the name in the input."},
	importer.CodeOrgNotFound:        {"The tenant has no such organization", "Look for a spelling mistake, or an organization of another tenant. One wrong name rejects all the rows that have it."},
	importer.CodeOrgAmbiguous:       {"Several organizations have the same key", "The message names some of them. Give the id of the right one."},
	importer.CodeRowUnreadable:      {"The row can't be read with certainty", "The message of each row shows what is in the file: often an empty cell, a quote without its partner, or a comma in a value that is not in quotes. Correct the row in the input; nothing was sent for it."},
}

// adviseRejected returns what to do about rows that were never sent.
func adviseRejected(code string) advice {
	return cmp.Or(rejections[code], advice{"The row can't be used", "The message says what is wrong with it. Nothing was sent; correct the row in the input."})
}

// setCauses sets the causes, with what to do about them.
func (v *view) setCauses(t *tally) {
	v.OtherRow = v.FailureRows
	for _, c := range t.causes.Sorted() {
		if len(v.Causes) == maxPageCauses {
			return
		}
		said := c.Message
		if c.Rows == 1 {
			said = c.Examples[0].Message
		}
		v.Causes = append(v.Causes, causeView{Cause: c, advice: v.advise(c), Said: said, More: c.Rows - len(c.Examples)})
		v.OtherRow -= c.Rows
	}
}
