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
	"time"

	"orgimport/importer/retry"
)

const (
	// pageSize is the largest page of any list of the API.
	pageSize = 100
	// mostListed is how many items a list that is paged by number shows.
	mostListed = 1000
)

// maxPages bounds a list that the server never ends. A list of 2,000,000, the most
// members that Auth0 grants an organization, has 20,000 pages.
var maxPages = 50_000

// get reads the JSON at a path into v.
func (c *Client) get(ctx context.Context, path string, query url.Values, v any) error {
	_, err := c.read(ctx, c.newCall(http.MethodGet, path, query), v)
	return err
}

// read sends a call whose success is 200 and JSON, and decodes that into v.
func (c *Client) read(ctx context.Context, call *call, v any) (*retry.Answer, error) {
	a, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return nil, unreadable(a, call, err)
	}
	return a, nil
}

// page is one page of a list.
type page[T any] struct {
	name  string // of the list
	raw   json.RawMessage
	items []T
	next  string
	total int           // of the list; 0: not said
	ahead time.Duration // how far the tenant's clock is ahead of this machine's
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
	_ = json.Unmarshal(parts["total"], &p.total) // it may be missing
	return nil
}

// pages yields the pages of a list, one request each. name is that of the list in
// its pages. An error ends the sequence.
//
// It uses checkpoint paging, which does not end at 1,000 items as paging by number
// does.
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

// numbered yields the pages of a list that the API pages by number only. A page
// with fewer items than were asked for is the last one, unless the total says that
// there are more: then the server gives out smaller pages. The limit in an answer
// is no help: for invitations it was recorded as the number of items.
func numbered[T any](ctx context.Context, c *Client, path, name string, query url.Values) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		query := maps.Clone(query)
		query.Set("include_totals", "true")
		size, seen := pageSize, 0
		var before json.RawMessage
		for n := 0; seen < mostListed; n++ {
			query.Set("page", strconv.Itoa(n))
			query.Set("per_page", strconv.Itoa(size))
			page := page[T]{name: name}
			a, err := c.read(ctx, c.newCall(http.MethodGet, path, query), &page)
			if err != nil {
				yield(page, err)
				return
			}
			if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
				page.ahead = time.Until(date)
			}
			seen += len(page.items)
			more := len(page.items) == size || seen < page.total
			if !yield(page, nil) || !more || len(page.items) == 0 || bytes.Equal(page.raw, before) {
				return
			}
			if n == 0 {
				size = len(page.items)
			}
			before = page.raw
		}
	}
}

// items yields the items of the pages of a list.
func items[T any](pages iter.Seq2[[]T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page, err := range pages {
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}
