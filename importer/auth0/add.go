package auth0

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"orgimport/importer"
)

// Import returns the operation that makes users members of organizations, with
// POST /api/v2/organizations/{id}/members, sent again for as long as it fails in
// a passing way. Adding a user twice adds them once, so a request whose answer
// was lost is safe to repeat.
//
// The errors of its Send are an [*Error] with the reach of the refusal, a
// [*CredentialsError], a [*ConfigError] or a [*GaveUpError], or wrap the cause
// of the context. The receipt is filled in as far as things went, whatever the
// error.
func (c *Client) Import() importer.Op {
	return importer.Op{Name: "import", Prefix: "oi", Size: MaxMembers, Done: importer.Added, Send: c.addMembers}
}

func (c *Client) addMembers(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
	body, err := json.Marshal(struct {
		Members []string `json:"members"`
	}{b.UserIDs()})
	if err != nil {
		return importer.Receipt{}, err
	}
	call := &call{method: http.MethodPost, body: body, correlationID: c.nextCorrelationID()}
	call.path, err = organizationPath(b.OrgID, "members")
	if err == nil {
		_, err = c.do(ctx, call, http.StatusNoContent)
	}
	return call.receipt(err), err
}

// receipt says of a call that came to an end what the results file is to keep.
func (call *call) receipt(err error) importer.Receipt {
	r := importer.Receipt{
		HTTPStatus:    call.lastStatus,
		Attempts:      call.sent,
		CorrelationID: call.correlationID,
		Time:          time.Now(),
	}
	if err != nil {
		r.Code, r.Message = reason(err)
	}
	return r
}
