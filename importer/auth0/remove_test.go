package auth0_test

import (
	"testing"

	"orgimport/importer"
)

func TestRemoveSendsWhatTheDocumentsSay(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	op := newClient(t, s).Remove()
	receipt, err := op.Send(t.Context(), batch("org_1", "auth0|a", "auth0|b"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Requests[0]
	if got, want := r.Method+" "+r.URL.String()+" "+r.Content, `DELETE https://acme.eu.auth0.com/api/v2/organizations/org_1/members {"members":["auth0|a","auth0|b"]}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if receipt.HTTPStatus != 204 || receipt.Attempts != 1 || op.Done != importer.Removed || op.Size != 10 || op.Prefix != "or" {
		t.Errorf("receipt %+v of %+v", receipt, op)
	}
}
