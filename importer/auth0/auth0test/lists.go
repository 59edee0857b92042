package auth0test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPage  = 50   // items a page
	maxPage      = 100  // items a page
	maxPageIndex = 1000 // from the schema
	maxByOffset  = 1000 // items within reach of page and per_page
)

// list is what a GET of a list shows, and how.
type list struct {
	name  string // of the items in a page
	order []place
	item  func(id string) map[string]any

	sortable   bool // by created_at
	checkpoint bool // take and from are known
	nextAtEnd  bool // the last page of a checkpoint listing was recorded with a next
	noTotal    bool // include_totals was recorded to give no total, and the number of items as limit
}

// place is an item's place in a list, which is sorted by a time, in Unix
// milliseconds, and by the item's id.
type place struct {
	at int64
	id string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.id, q.id))
}

// inOrder returns the places of ids that are in the order of a list.
func inOrder(ids []string) []place {
	order := make([]place, len(ids))
	for i, id := range ids {
		order[i] = place{int64(i), id}
	}
	return order
}

// show returns the page that the query asks for: by checkpoint if it has take or
// from, else by offset.
func (t *Tenant) show(l list, query url.Values) *reply {
	if l.checkpoint && (query.Has("take") || query.Has("from")) {
		return t.showFrom(l, query)
	}
	return t.showPage(l, query)
}

func (t *Tenant) showPage(l list, query url.Values) *reply {
	page, refused := integer(query, "page", "Page index of the results to return. First page is 0", 0, maxPageIndex, 0)
	if refused != nil {
		return refused
	}
	size, refused := t.pageSize(query, "per_page")
	if refused != nil {
		return refused
	}
	order, refused := l.sorted(query)
	if refused != nil {
		return refused
	}
	if (page+1)*size > maxByOffset {
		return refuse(http.StatusBadRequest, "invalid_paging", fmt.Sprintf("Requesting page %d exceeds the allowed maximum of %d records. "+
			"To fetch results beyond %d, use the checkpoint pagination method.", page, maxByOffset, maxByOffset))
	}
	start := min(page*size, len(order))
	items := l.items(order[start:min(start+size, len(order))], query)
	if query.Get("include_totals") != "true" {
		return respond(http.StatusOK, items)
	}
	body := map[string]any{l.name: items, "start": page * size, "limit": size, "total": len(l.order)}
	switch totals := t.cfg.Undocumented.Totals; {
	case l.noTotal:
		body["limit"] = len(items)
		delete(body, "total")
	case totals == TotalsAbsent:
		delete(body, "total")
	case totals == TotalsZero:
		body["total"] = 0
	}
	return respond(http.StatusOK, body)
}

func (t *Tenant) showFrom(l list, query url.Values) *reply {
	size, refused := t.pageSize(query, "take")
	if refused != nil {
		return refused
	}
	start := 0
	if query.Has("from") {
		after, err := parseCursor(query.Get("from"))
		if err != nil {
			return invalidQuery("Object didn't pass validation for format checkpoint", "from", "Optional Id from which to start selection")
		}
		found := false
		if start, found = slices.BinarySearchFunc(l.order, after, place.compare); found {
			start++
		}
	}
	page := l.order[start:min(start+size, len(l.order))]
	body := map[string]any{l.name: l.items(page, query)}
	next := start+len(page) < len(l.order)
	switch t.cfg.Undocumented.Next {
	case NextAsRecorded:
		next = next || l.nextAtEnd
	case NextAlways:
		next = true
	}
	if next && len(page) > 0 {
		body["next"] = page[len(page)-1].cursor()
	}
	return respond(http.StatusOK, body)
}

// pageSize returns how many items a page has.
func (t *Tenant) pageSize(query url.Values, name string) (int, *reply) {
	size, refused := integer(query, name, "Number of results per page. Defaults to 50", 1, maxPage, defaultPage)
	return min(size, cmp.Or(t.cfg.Undocumented.PageSize, maxPage)), refused
}

// sorted returns the items in the order that the query asks for, or else in that of
// the list.
func (l list) sorted(query url.Values) ([]place, *reply) {
	if !l.sortable || !query.Has("sort") {
		return l.order, nil
	}
	order := slices.SortedFunc(slices.Values(l.order), place.compare)
	switch sort := query.Get("sort"); sort {
	case "created_at:1":
	case "created_at:-1":
		slices.Reverse(order)
	default:
		return nil, invalidQuery("String does not match the format field:order: "+sort, "sort", "Field to sort by")
	}
	return order, nil
}

// items returns the items of a page, with the fields that the query asks for.
func (l list) items(page []place, query url.Values) []map[string]any {
	items := make([]map[string]any, len(page))
	for i, p := range page {
		items[i] = pick(l.item(p.id), query)
	}
	return items
}

// cursorTime is an item's time in recorded cursors: milliseconds with six
// digits.
const cursorTime = "2006-01-02 15:04:05.000000UTC"

// cursor returns the place as clients see it: an opaque string that must be escaped
// in a query.
func (p place) cursor() string {
	at := time.UnixMilli(p.at).UTC().Format(cursorTime)
	return base64.StdEncoding.EncodeToString([]byte(at + "," + p.id))
}

func parseCursor(s string) (place, error) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return place{}, err
	}
	text, id, _ := strings.Cut(string(raw), ",")
	at, err := time.Parse(cursorTime, text)
	if err != nil {
		return place{}, err
	}
	return place{at.UnixMilli(), id}, nil
}

// pick removes the fields of body that the query's fields and include_fields do
// not ask for.
func pick(body map[string]any, query url.Values) map[string]any {
	if query.Get("fields") == "" {
		return body
	}
	named := strings.Split(query.Get("fields"), ",")
	include := query.Get("include_fields") != "false"
	for field := range body {
		if slices.Contains(named, field) != include {
			delete(body, field)
		}
	}
	return body
}

// integer reads a parameter between low and high, or returns the fallback if it
// is absent.
func integer(query url.Values, name, description string, low, high, fallback int) (int, *reply) {
	if !query.Has(name) {
		return fallback, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	problem := outOfRange(n, low, high)
	if err != nil {
		problem = "Expected type integer but found type string"
	}
	if problem != "" {
		return 0, invalidQuery(problem, name, description)
	}
	return n, nil
}
