package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// pageSize is the largest page of any list that the API gives out.
const pageSize = 100

// get reads what is at a path, which it takes to be JSON, into v.
func (c *Client) get(ctx context.Context, path string, query url.Values, v any) error {
	call := &call{method: http.MethodGet, path: path, query: query.Encode(), correlationID: c.nextCorrelationID()}
	a, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return unreadable(a, call, err)
	}
	return nil
}

// list yields the items of a list of the API, page by page as it is ranged
// over. name is that of the list in its pages.
//
// An error ends the sequence.
func list[T any](ctx context.Context, c *Client, path, name string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for items, err := range pages[T](ctx, c, path, name, query) {
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// maxPages bounds a list whose server never ends it. A list of 2,000,000, the
// highest number of members that Auth0 grants an organization, has 20,000 pages.
var maxPages = 50_000

// pages yields the pages of a list, each of which is a request. They are those of
// checkpoint paging, which has no end at 1,000 items as pages by number have.
func pages[T any](ctx context.Context, c *Client, path, name string, query url.Values) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		query := maps.Clone(query)
		query.Set("take", strconv.Itoa(pageSize))
		seen := make(map[string]bool)
		var before json.RawMessage
		for range maxPages {
			page := page[T]{name: name}
			if err := c.get(ctx, path, query, &page); err != nil {
				yield(nil, err)
				return
			}
			// The last page may or may not have a next: both were recorded.
			// If it has, the page after it is empty.
			if !yield(page.items, nil) || page.next == "" || len(page.items) == 0 {
				return
			}
			if seen[page.next] || bytes.Equal(page.raw, before) {
				yield(nil, fmt.Errorf("listing %s: the server gives out the same page again and again", path))
				return
			}
			seen[page.next], before = true, page.raw
			query.Set("from", page.next)
		}
		yield(nil, fmt.Errorf("listing %s: the list does not end after %d pages", path, maxPages))
	}
}

// page is one page of a list.
type page[T any] struct {
	name  string // of the list
	raw   json.RawMessage
	items []T
	next  string
}

func (p *page[T]) UnmarshalJSON(data []byte) error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for name, v := range map[string]any{p.name: &p.items, "next": &p.next} {
		if part, found := parts[name]; found {
			if err := json.Unmarshal(part, v); err != nil {
				return err
			}
		}
	}
	p.raw = parts[p.name]
	return nil
}
