package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// memberLists is a tenant's members, by organization; nil: no such organization.
type memberLists map[string][]string

func (l memberLists) members(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
	return func(yield func(auth0.Member, error) bool) {
		users, found := l[orgID]
		if !found {
			yield(auth0.Member{}, &auth0.Error{Status: 404, Method: "GET", Message: "No organization found by that id or name"})
			return
		}
		for _, id := range users {
			if ctx.Err() != nil {
				yield(auth0.Member{}, context.Cause(ctx))
				return
			}
			if !yield(auth0.Member{UserID: id}, nil) {
				return
			}
		}
	}
}

func organizationsNamed(ids ...string) (orgs []auth0.Organization) {
	for _, id := range ids {
		orgs = append(orgs, auth0.Organization{ID: id})
	}
	return orgs
}

func TestExporterKeepsTheOrder(t *testing.T) {
	lists := memberLists{"a": {"3", "1", "2", "1"}, "c": {}, "d": {"x"}}
	for _, workers := range []int{1, 2, 32} {
		e := &exporter{members: lists.members, workers: workers, maxAhead: 2}
		var got []string
		err := e.run(t.Context(), organizationsNamed("a", "b", "c", "d"), func(r *roster) error {
			text := r.org.ID
			if r.err != nil {
				text += " gone"
			}
			for _, m := range r.members {
				text += " " + m.UserID
			}
			got = append(got, text)
			return nil
		})
		if want := []string{"a 1 2 3", "b gone", "c", "d x"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%d workers: %q, error %v", workers, got, err)
		}
	}
}

// TestExporterWaitsForItsTurn lets the second of two large organizations be
// read while the first is: it is held until there is room.
func TestExporterWaitsForItsTurn(t *testing.T) {
	const most = 1000
	large := make([]string, most+500)
	for i := range large {
		large[i] = fmt.Sprintf("%09d", i)
	}
	lists := memberLists{"a": large, "b": large, "c": large}
	e := &exporter{members: lists.members, workers: 3, maxAhead: most}
	var written int
	err := e.run(t.Context(), organizationsNamed("a", "b", "c"), func(r *roster) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.ahead > most {
			t.Errorf("%s: %d members are held, want %d at most", r.org.ID, e.ahead, most)
		}
		written += len(r.members)
		return nil
	})
	if err != nil || written != 3*len(large) {
		t.Errorf("%d members, error %v", written, err)
	}
}

func TestExporterEnds(t *testing.T) {
	broken := errors.New("broken")
	lists := memberLists{"a": {"1"}, "b": {"2"}, "c": {"3"}}
	orgs := organizationsNamed("a", "b", "c")
	t.Run("when nothing can be written", func(t *testing.T) {
		e := &exporter{members: lists.members, workers: 3, maxAhead: 2}
		if err := e.run(t.Context(), orgs, func(*roster) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("when nothing can be read", func(t *testing.T) {
		e := &exporter{workers: 3, maxAhead: 2, members: func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
			if orgID == "b" {
				return func(yield func(auth0.Member, error) bool) { yield(auth0.Member{}, &auth0.Error{Status: 503}) }
			}
			return lists.members(ctx, orgID)
		}}
		var written []string
		err := e.run(t.Context(), orgs, func(r *roster) error { written = append(written, r.org.ID); return nil })
		if importer.ReachOf(err) != importer.ReachBatch || !slices.Equal(written, []string{"a"}) {
			t.Errorf("written %q, error %v", written, err)
		}
	})
	t.Run("when it is stopped", func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		e := &exporter{members: lists.members, workers: 1, maxAhead: 2}
		if err := e.run(ctx, orgs, func(*roster) error { stop(broken); return nil }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
}
