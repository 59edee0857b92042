package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// pageSize is the largest page of members that the API gives out.
const pageSize = 100

// Members yields the user id of every member of an organization, page by page
// as it is ranged over. The pages are those of checkpoint paging, which has no
// end at 1,000 members as pages by number have. Right after a member was added
// the API may not show it yet ("subject to eventual consistency").
//
// An error ends the sequence. It is one of those of [Client.Import].
func (c *Client) Members(ctx context.Context, orgID string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		path, err := organizationPath(orgID, "members")
		if err != nil {
			yield("", err)
			return
		}
		seen := make(map[string]bool)
		for from := ""; ; {
			page, err := c.members(ctx, path, from)
			if err != nil {
				yield("", err)
				return
			}
			for _, m := range page.Members {
				if !yield(m.UserID, nil) {
					return
				}
			}
			// The last page may or may not have a next: both were recorded.
			// If it has, the page after it is empty.
			if page.Next == "" || len(page.Members) == 0 {
				return
			}
			if seen[page.Next] {
				yield("", errors.New("listing members of "+orgID+": the server gives out the same page again and again"))
				return
			}
			seen[page.Next] = true
			from = page.Next
		}
	}
}

type memberPage struct {
	Members []struct {
		UserID string `json:"user_id"`
	} `json:"members"`
	Next string `json:"next"`
}

func (c *Client) members(ctx context.Context, path, from string) (memberPage, error) {
	query := url.Values{
		"take":           {strconv.Itoa(pageSize)},
		"fields":         {"user_id"},
		"include_fields": {"true"},
	}
	if from != "" {
		query.Set("from", from)
	}
	call := &call{method: http.MethodGet, path: path, query: query.Encode(), correlationID: c.nextCorrelationID()}
	a, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return memberPage{}, err
	}
	var page memberPage
	if err := json.Unmarshal(a.body, &page); err != nil {
		return memberPage{}, fmt.Errorf("%w: %w", a.notTheAPI(call), err)
	}
	return page, nil
}
