package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/retry"
)

// A batch with a user who does not exist is refused. The error says that it is
// about one row, and which.
func ExampleClient_Import() {
	tenant := auth0test.New(auth0test.Config{
		KnownUser:    func(id string) bool { return id != "auth0|nobody" },
		Undocumented: auth0test.Undocumented{Naming: auth0test.NameAll},
	})
	base, err := auth0.ParseDomain("acme.eu.auth0.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	attempt := &retry.Attempt{Base: tenant, Timeout: 30 * time.Second, Grace: 25 * time.Second}
	credentials := auth0.Credentials{ClientID: "importer", ClientSecret: "of-the-importer"}
	source, err := credentials.Source(base, attempt)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &auth0.Client{
		BaseURL: base,
		HTTP:    retry.NewHTTPClient(&auth0.Bearer{Source: source, Base: attempt}),
		RunID:   "example",
	}

	batch := importer.Batch{OrgID: "org_1234567890abcdef", Rows: []importer.Row{{UserID: "auth0|ann"}, {UserID: "auth0|nobody"}}}
	receipt, err := client.Import().Send(context.Background(), batch)
	fmt.Println(receipt.HTTPStatus, receipt.CorrelationID)
	fmt.Println(err)
	refusal, _ := errors.AsType[*auth0.Error](err)
	fmt.Println(refusal.Reach() == importer.ReachRow, errors.Is(err, importer.ErrUnknownUser), refusal.Blame(batch.UserIDs()))
	// Output:
	// 400 example-1
	// POST /api/v2/organizations/org_1234567890abcdef/members: 400 Bad Request: One or more of the specified users do not exist: auth0|nobody (invalid_body)
	// true true [auth0|nobody]
}
