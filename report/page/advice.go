package page

import (
	"orgimport/importer"
	"orgimport/report"
)

// advice is what to do about a cause.
type advice struct {
	Title string // what it most likely is, in a few words
	Do    string
}

// advise returns what to do about a cause. What an answer of the server means
// the page is told; the others are here.
func (p *Page) advise(c report.Cause) advice {
	switch {
	case c.Status == importer.Sending:
		return advice{"The run ended while the request was under way", "Whether it was done is not known. Go on with --resume: the next run finds out what can be found out."}
	case c.Status == importer.Rejected:
		return adviseRejected(c.Code)
	case p.Advise != nil:
		title, do := p.Advise(c.HTTPStatus, c.Code, c.Message)
		return advice{title, do}
	}
	return advice{"Refused", "Look the request up in the tenant's logs by its correlation id."}
}

// adviseRejected returns what to do about rows that were never sent, by their
// error code.
func adviseRejected(code string) advice {
	switch code {
	case importer.CodeUserNotFound:
		return advice{"The tenant has no such user", "Look for a spelling mistake, a user who was deleted, or one of another tenant. Create the user first, then run again with --resume."}
	case importer.CodeUserAmbiguous:
		return advice{"Several users have the same key", "The message names some of them. Give the row a connection, or the id of the user who is meant."}
	case importer.CodeEmailUnverified:
		return advice{"The e-mail address is not verified", "Anybody can sign up with the address of somebody else. Have the user verify it, give the id of the user, or accept such users with --allow-unverified."}
	case importer.CodeConnectionNotFound:
		return advice{"The tenant has no such connection", "Connections are named as in the dashboard. Correct the name in the input."}
	case importer.CodeOrgNotFound:
		return advice{"The tenant has no such organization", "Look for a spelling mistake, or an organization of another tenant. One wrong name rejects all the rows that have it."}
	case importer.CodeOrgAmbiguous:
		return advice{"Several organizations have the same key", "The message names some of them. Give the id of the one that is meant."}
	case importer.CodeRowUnreadable:
		return advice{"The row can't be read with certainty", "The message shows what stands in the file: often an empty cell, a quote without its partner, or a comma in a value that is not in quotes. Correct the row in the input; nothing was sent for it."}
	}
	return advice{"The row can't be used", "The message says what is wrong with it. Nothing was sent; correct the row in the input."}
}
