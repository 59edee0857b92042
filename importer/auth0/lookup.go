package auth0

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"orgimport/importer"
)

// The phases of a look-up.
const (
	PhaseOrganizations = "organizations"
	PhaseExport        = "users export"
	PhaseUsers         = "users"
	PhaseMembers       = "members"
)

// Lookup fills an [importer.Directory] from a tenant. Each class of endpoints has its
// own client, because it has its own limit.
type Lookup struct {
	Connections *Client // GET /connections
	Jobs        *Client // the export job
	Users       *Client // GET /users-by-email and /users/{id}
	OrgByID     *Client // GET /organizations/{id}
	OrgByName   *Client // GET /organizations/name/{name}
	OrgList     *Client // GET /organizations
	Members     *Client // GET /organizations/{id}/members

	// Download fetches the result of an export job from another host. It adds no
	// token; see NewDownload.
	Download *http.Client

	// JobWait is how long the export may take in all.
	JobWait time.Duration

	// Workers is how many requests are in flight at most when keys are asked for
	// one by one.
	Workers int

	// NoGuard continues even if the tenant knows none of many keys.
	NoGuard bool

	// OnCostly, if set, is called when an organization's members take ten times more
	// pages to read than requests to write its rows. It must be quick.
	OnCostly func(orgID string, pages, rows int)

	// OnProgress, if set, is called with the progress of a phase; of is 0 if it is
	// not known. It must be quick.
	OnProgress func(phase string, done, of int)
}

// NoneFoundError says that the tenant knows none of many keys, so that the file is
// probably for another tenant.
type NoneFoundError struct {
	Kind string
	Keys int
}

func (e *NoneFoundError) Error() string {
	return fmt.Sprintf("none of the %d keys of the kind %s was found in the tenant", e.Keys, e.Kind)
}

// leastGuarded is the number of keys from which it is suspicious that none is found.
const leastGuarded = 100

// Guard returns a *[NoneFoundError] if there are many keys of a kind and none was
// found.
func (l *Lookup) Guard(in *importer.Index) error {
	for _, kind := range in.Kinds() {
		keys, hits := in.Count(kind)
		if keys >= leastGuarded && hits == 0 && !in.Reused(kind) && !l.NoGuard {
			return &NoneFoundError{kind, keys}
		}
	}
	return nil
}

func (l *Lookup) progress(phase string, done, of int) {
	if l.OnProgress != nil {
		l.OnProgress(phase, done, of)
	}
}

// FindConnections returns the ids of the tenant's connections by name. Names that it
// does not have are left out.
func (l *Lookup) FindConnections(ctx context.Context, names []string) (map[string]string, error) {
	ids := make(map[string]string)
	for i, name := range names {
		l.progress("connections", i, len(names))
		id, err := l.Connections.connectionNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		if id != "" {
			ids[name] = id
		}
	}
	return ids, nil
}

// absent reports whether err says in the API's own words that what was asked for
// does not exist, or that nothing can have such a name. No other refusal says so.
func absent(err error) bool {
	if errors.Is(err, errNoPath) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.Foreign:
		return false
	case e.Status == http.StatusNotFound:
		return e.aboutRows()
	case e.Status == http.StatusBadRequest:
		return badValue.MatchString(e.words())
	}
	return e.Status == http.StatusRequestURITooLong
}

// looked is what came of the look-up of one key.
type looked[K, R any] struct {
	key    K
	result R
	err    error // why it failed for good, if that is about this key alone
}

// askEach calls one for every key, as ask does. An error that does not end the run
// does not end the range either.
func askEach[K, R any](ctx context.Context, workers int, keys []K, one func(context.Context, K) (R, error)) iter.Seq2[looked[K, R], error] {
	return ask(ctx, workers, keys, func(ctx context.Context, key K) (looked[K, R], error) {
		result, err := one(ctx, key)
		if err != nil && importer.ReachOf(err) == importer.ReachRun {
			return looked[K, R]{}, err
		}
		return looked[K, R]{key, result, err}, nil
	})
}

// ask calls one for every item, several at a time, and yields the results as they
// come. The first error ends the range, and so does break; it waits for the calls
// under way.
func ask[T, R any](ctx context.Context, workers int, items []T, one func(context.Context, T) (R, error)) iter.Seq2[R, error] {
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
					result, err := one(ctx, item)
					answers <- answered{result, err}
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
