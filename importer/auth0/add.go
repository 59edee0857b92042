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
	return importer.Op{
		Name: "import", Prefix: "oi", Size: MaxMembers,
		Done: importer.Added, Already: importer.AlreadyMember, Send: c.writeMembers(http.MethodPost),
	}
}

// writeMembers returns what sends a batch with a method to the members of its
// organization.
func (c *Client) writeMembers(method string) func(context.Context, importer.Batch) (importer.Receipt, error) {
	return func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		path, err := organizationPath(b.OrgID, "members")
		return c.write(ctx, method, path, err, map[string][]string{"members": b.UserIDs()})
	}
}

// write sends a request that is answered with 204, unless err says that there is
// no path to send it to.
func (c *Client) write(ctx context.Context, method, path string, err error, content any) (importer.Receipt, error) {
	call := &call{method: method, path: path, correlationID: c.nextCorrelationID()}
	if err == nil {
		call.body, err = json.Marshal(content)
	}
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
