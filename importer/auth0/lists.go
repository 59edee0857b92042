package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"orgimport/importer"
	"orgimport/importer/retry"
)

const (
	// pageSize is the largest page of any list of the API.
	pageSize = 100
	// mostByNumber is how many items of a list can be reached by page number. The
	// API answers a page beyond that with 400 invalid_paging.
	mostByNumber = 1000
)

// maxPages bounds a list that the server never ends. A list of 2,000,000, the most
// members that Auth0 grants an organization, has 20,000 pages.
var maxPages = 50_000

// Extent says how far a list was read that was not read to its end.
type Extent int

const (
	// Absent: what would have the list does not exist, so the list has no items.
	// It is the only extent that shows who is not on a list.
	Absent Extent = iota
	// Refused: the list may not be read, or its pages make no sense.
	Refused
	// Cut: no usable answer came. The list may be read to its end later.
	Cut
	// Capped: the API shows no more of the list.
	Capped
	// Lagging: the list ended before the total that it gave.
	Lagging
)

// ListError ends a list that was not read to its end. The items before it are on the
// list, but unless it is [Absent] they show nothing about any others.
type ListError struct {
	List   string // such as "the members of org_a1b2c3d4e5f6g7h8"
	Extent Extent
	Err    error
}

func (e *ListError) Error() string { return e.List + ": " + e.Err.Error() }

// Unwrap returns why the list ended.
func (e *ListError) Unwrap() error { return e.Err }

// Reach says which rows can't be decided without the list.
func (e *ListError) Reach() importer.Reach {
	switch e.Extent {
	case Cut, Lagging:
		return importer.ReachBatch
	case Capped:
		return importer.ReachRow
	}
	return importer.ReachOrg
}

// list is a list of the API.
type list struct {
	what  string // for messages
	path  string
	name  string // of the items in a page
	query url.Values
	err   error // why there is no path; nil if there is one

	// byNumber: the list has pages with numbers only. Other lists have cursors
	// too, which lead beyond mostByNumber.
	byNumber bool
	// backwards is the value of the parameter sort with which the list begins at
	// its other end; empty if it has none.
	backwards string
}

// page is one page of a list. The API's documents have three forms: an array, an
// object with start, limit and total, and one with next.
type page[T any] struct {
	name     string // of the list
	raw      json.RawMessage
	items    []T
	next     string
	total    int  // of the list; 0: not said
	numbered bool // the form of a page with a number

	correlationID string        // of the request
	ahead         time.Duration // how far the tenant's clock is ahead of this machine's
}

func (p *page[T]) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		p.raw, p.numbered = bytes.Clone(data), true
		return json.Unmarshal(data, &p.items)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if p.raw = parts[p.name]; p.raw == nil || string(p.raw) == "null" {
		return errors.New("an object without " + p.name)
	}
	if err := json.Unmarshal(p.raw, &p.items); err != nil {
		return err
	}
	if next := parts["next"]; next != nil {
		if err := json.Unmarshal(next, &p.next); err != nil {
			return err
		}
	}
	_ = json.Unmarshal(parts["total"], &p.total) // it may be missing
	p.numbered = p.total > 0 || parts["start"] != nil
	return nil
}

// get reads the JSON at a path into v.
func (c *Client) get(ctx context.Context, path string, query url.Values, v any) error {
	_, err := c.read(ctx, c.newCall(http.MethodGet, path, query), v)
	return err
}

// read sends a call whose success is 200 and JSON, and decodes that into v.
func (c *Client) read(ctx context.Context, call *call, v any) (*retry.Answer, error) {
	call.into = v
	return c.do(ctx, call, http.StatusOK)
}

// pages yields the pages of a list, one request each. If the list is not read to its
// end the last error is a *[ListError], or one that ends the run.
func pages[T any](ctx context.Context, c *Client, l list) iter.Seq2[page[T], error] {
	return func(yield func(page[T], error) bool) {
		r := reader[T]{client: c, list: l, yield: yield, seen: make(map[string]int)}
		if err := r.read(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(page[T]{}, l.incomplete(err))
		}
	}
}

var (
	errCapped  = fmt.Errorf("the API shows no more than %d of it by page number", mostByNumber)
	errLagging = errors.New("it ended before the total that it gives")
	errCircle  = errors.New("the server gives out the same page again and again")
	errEnough  = errors.New("the caller has seen enough")
)

// incomplete returns the error of a list that err ended.
func (l list) incomplete(err error) error {
	e := &ListError{List: l.what, Extent: Refused, Err: err}
	switch {
	case absent(err):
		e.Extent = Absent
	case errors.Is(err, errCapped):
		e.Extent = Capped
	case errors.Is(err, errLagging):
		e.Extent = Lagging
	case errors.Is(err, errCircle):
	case importer.ReachOf(err) == importer.ReachBatch:
		e.Extent = Cut
	case importer.ReachOf(err) == importer.ReachRun:
		return err
	}
	return e
}

// reader reads one list.
type reader[T any] struct {
	client *Client
	list   list
	yield  func(page[T], error) bool

	count int            // of items in this direction
	total int            // the least that the pages gave; 0: none
	seen  map[string]int // the place of cursors, and of items of a list that can be read from both ends
}

func (r *reader[T]) read(ctx context.Context) error {
	if r.list.err != nil {
		return r.list.err
	}
	err := errPaged
	if !r.list.byNumber {
		err = r.byCursor(ctx)
	}
	if errors.Is(err, errPaged) {
		err = r.byNumber(ctx, r.list.query, false)
	}
	if errors.Is(err, errCapped) && r.list.backwards != "" {
		query := maps.Clone(r.list.query)
		query.Set("sort", r.list.backwards)
		err = r.byNumber(ctx, query, true)
	}
	return err
}

// errPaged is the error of a list that the server pages by number.
var errPaged = errors.New("the pages have numbers")

// byCursor reads a list by checkpoint paging.
func (r *reader[T]) byCursor(ctx context.Context) error {
	query := maps.Clone(r.list.query)
	query.Set("take", strconv.Itoa(pageSize))
	var before json.RawMessage
	var empty bool // the page before
	for n := range maxPages {
		p, err := r.ask(ctx, query)
		switch {
		case err != nil:
			return err
		case n == 0 && p.numbered && p.next == "":
			return errPaged
		case !r.pass(p):
			return errEnough
		case p.next == "", len(p.items) == 0 && (empty || r.seen[p.next] > 0):
			// The last page may or may not have a next: both were recorded. If
			// it has, the page after it is empty. An empty page that leads on was
			// not recorded; it ends the list only if it leads nowhere.
			return r.ended()
		case r.seen[p.next] > 0 || bytes.Equal(p.raw, before):
			return errCircle
		}
		r.seen[p.next], before, empty = n+1, p.raw, len(p.items) == 0
		query.Set("from", p.next)
	}
	return fmt.Errorf("%w: it does not end after %d pages", errCircle, maxPages)
}

// byNumber reads a list by page number. The server may give out smaller pages than
// it was asked for, so one that is not full is the last only if the total says so.
// The limit in an answer is no help: for invitations it was recorded as the number of
// items. If back is set the list is to begin at its other end, and what was read
// before ends it. A server that takes no notice of sort begins at the same end again,
// which shows nothing about what lies beyond.
func (r *reader[T]) byNumber(ctx context.Context, query url.Values, back bool) error {
	query = maps.Clone(query)
	query.Set("include_totals", "true")
	r.count, r.total = 0, 0
	size := pageSize
	var before json.RawMessage
	for n := 0; (n+1)*size <= mostByNumber; n++ {
		query.Set("page", strconv.Itoa(n))
		query.Set("per_page", strconv.Itoa(size))
		p, err := r.ask(ctx, query)
		place := r.note(p)
		switch {
		case err != nil:
			return err
		case len(p.items) == 0 || bytes.Equal(p.raw, before) && len(p.items) < pageSize:
			return r.ended() // a server that has no pages gives out the same again
		case bytes.Equal(p.raw, before):
			return errCircle
		case !r.pass(p):
			return errEnough
		case back && place > mostByNumber/2, back && r.total > 0 && len(r.seen) >= r.total, r.total > 0 && r.count >= r.total && r.count < mostByNumber:
			return nil
		case back && place > 0:
			return errCapped
		}
		if n == 0 {
			size = len(p.items)
		}
		before = p.raw
	}
	return errCapped
}

// ask asks for a page.
func (r *reader[T]) ask(ctx context.Context, query url.Values) (page[T], error) {
	p := page[T]{name: r.list.name}
	call := r.client.newCall(http.MethodGet, r.list.path, query)
	p.correlationID = call.correlationID
	a, err := r.client.read(ctx, call, &p)
	if err != nil {
		return p, err
	}
	if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		p.ahead = time.Until(date)
	}
	if p.total > 0 && (r.total == 0 || p.total < r.total) {
		r.total = p.total // it changes while members come and go
	}
	return p, nil
}

// pass yields a page and reports whether the caller wants more.
func (r *reader[T]) pass(p page[T]) bool {
	r.count += len(p.items)
	return r.yield(p, nil)
}

// ended returns the error of a list that has no more items.
func (r *reader[T]) ended() error {
	if r.count < r.total {
		return errLagging
	}
	return nil
}

// note notes the items of a page, and returns the place that the last of them had when
// it was noted before; 0 if it is new.
func (r *reader[T]) note(p page[T]) (place int) {
	if r.list.backwards == "" {
		return 0
	}
	var items []json.RawMessage
	_ = json.Unmarshal(p.raw, &items) // it has been read before
	for _, item := range items {
		if place = r.seen[string(item)]; place == 0 {
			r.seen[string(item)] = len(r.seen) + 1
		}
	}
	return place
}

// items yields the items of a list.
func items[T any](pages iter.Seq2[page[T], error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page, err := range pages {
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page.items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// askAll calls all for every item, several at a time, and yields the results as they
// come. The first error ends the range, and so does break; it waits for the calls
// under way.
func askAll[T, R any](ctx context.Context, workers int, items []T, all func(context.Context, T) iter.Seq2[R, error]) iter.Seq2[R, error] {
	type answered struct {
		result R
		err    error
	}
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		next, answers := make(chan T), make(chan answered)
		var running sync.WaitGroup
		for range max(1, min(workers, len(items))) {
			running.Go(func() {
				for item := range next {
					for result, err := range all(ctx, item) {
						answers <- answered{result, err}
					}
				}
			})
		}
		running.Go(func() {
			defer close(next)
			for _, item := range items {
				select {
				case next <- item:
				case <-ctx.Done():
					return
				}
			}
		})
		go func() {
			running.Wait()
			close(answers)
		}()
		ended := false
		for a := range answers {
			if !ended && (!yield(a.result, a.err) || a.err != nil) {
				ended = true
				cancel()
			}
		}
	}
}
