package auth0test_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// A tenant that accepts one write a minute, and loses the answer to the first after
// doing its work.
func Example() {
	tenant := auth0test.New(auth0test.Config{
		NoAuth: true,
		Limits: auth0test.Limits{
			Global: []auth0test.Limit{{Size: 1, Per: 1, Interval: time.Minute}},
		},
		Fault: func(_ *http.Request, n int) auth0test.Fault {
			if n == 1 {
				return auth0test.Fault{Cut: auth0test.Close, Applied: true}
			}
			return auth0test.Fault{}
		},
	})
	client := &http.Client{Transport: tenant}
	for range 2 {
		resp, err := client.Post("https://acme.eu.auth0.com/api/v2/organizations/org_1234567890abcdef/members",
			"application/json", strings.NewReader(`{"members":["auth0|ann"]}`))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(resp.Status, "of", resp.Header.Get("X-RateLimit-Limit"), "left", resp.Header.Get("X-RateLimit-Remaining"))
	}
	fmt.Println(tenant.Members("org_1234567890abcdef"))
	// Output:
	// Post "https://acme.eu.auth0.com/api/v2/organizations/org_1234567890abcdef/members": unexpected EOF
	// 429 Too Many Requests of 1 left 0
	// [auth0|ann]
}
