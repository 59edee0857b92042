package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// namePattern is the form of the names of the organizations that a Doctor makes.
var namePattern = regexp.MustCompile(`^orgimport-doctor-[0-9a-f]{8}$`)

// IsName reports whether an organization with this name is one that a Doctor made.
func IsName(name string) bool { return namePattern.MatchString(name) }

func newName() string { return "orgimport-doctor-" + randomHex(4) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// LeftBehindError says that an organization could not be deleted, and perhaps why
// the examination had ended before.
type LeftBehindError struct {
	Name   string
	Err    error // of the deletion
	Before error // nil if the examination had come to its end
}

func (e *LeftBehindError) Error() string {
	return fmt.Sprintf("left behind: %s: %v", e.Name, e.Err)
}

func (e *LeftBehindError) Unwrap() []error { return []error{e.Err, e.Before} }

// errNameTaken ends an examination before it has begun.
var errNameTaken = errors.New("the tenant has an organization with the name that was just made up")

// makeOrganization makes the organization. Whatever happens, only one with the
// same name is asked for, so that there are never two.
func (d *Doctor) makeOrganization(ctx context.Context) error {
	lost := false
	for range maxTries {
		d.mayExist = true
		x, err := d.ask(ctx, request{class: organizations, method: http.MethodPost, path: "/organizations", body: map[string]string{
			"name": d.Name, "display_name": "orgimport doctor",
		}})
		var made struct{ ID string }
		switch {
		case x.status == http.StatusCreated && json.Unmarshal(x.body, &made) == nil && made.ID != "":
			d.orgID = made.ID
			return nil
		case x.status == http.StatusConflict && !lost && !x.lost:
			d.mayExist = false // this one is somebody else's
			return errNameTaken
		case x.status >= 400 && x.status < 500 && x.status != http.StatusConflict:
			d.mayExist = lost || x.lost
			return cmp.Or(err, error(&RefusedError{"the organization " + d.Name, x.status, x.message}))
		case err != nil && !errors.Is(err, errNoReply):
			return err
		}
		lost = true // or it could not be read; a 409 tells now
		if found, err := d.find(ctx); found || err != nil {
			return err
		}
	}
	return errNoReply
}

// find looks for the organization by its name.
func (d *Doctor) find(ctx context.Context) (found bool, err error) {
	x, err := d.ask(ctx, request{class: organizations, method: http.MethodGet, path: "/organizations/name/" + url.PathEscape(d.Name)})
	if err != nil {
		return false, err
	}
	var o struct{ ID, Name string }
	if x.ok() && json.Unmarshal(x.body, &o) == nil && o.ID != "" && o.Name == d.Name {
		d.orgID, d.mayExist = o.ID, true
		return true, nil
	}
	if x.status != http.StatusNotFound {
		return false, &RefusedError{"the search for the organization " + d.Name, x.status, x.message}
	}
	return false, nil
}

// deleteOrganization deletes the organization and sees that it is gone.
func (d *Doctor) deleteOrganization(ctx context.Context) error {
	if !d.mayExist {
		return nil
	}
	d.ending = true
	if d.refusals > 0 {
		if err := d.outwait(ctx); err != nil {
			return err
		}
	}
	var err error = errNoReply
	for try := range 5 {
		if try > 0 && sleep(ctx, pause<<try) != nil {
			return err
		}
		if d.orgID == "" {
			var found bool
			if found, err = d.find(ctx); err != nil {
				continue
			}
			if !found && try < 2 {
				continue // it may be being made
			}
			if !found {
				return nil
			}
		}
		var x exchange
		x, err = d.ask(ctx, request{class: organizations, method: http.MethodDelete, path: "/organizations/" + url.PathEscape(d.orgID)})
		switch {
		case err == nil && x.ok():
			d.mayExist = false
			return nil
		case err == nil && x.status == http.StatusNotFound:
			d.orgID = "" // if it is gone, its name is, too
		case err == nil:
			err = &RefusedError{"its deletion", x.status, x.message}
		}
	}
	return err
}

// Delete deletes an organization that was left behind. It reports whether there was
// one.
func (d *Doctor) Delete(ctx context.Context) (found bool, err error) {
	d.begin()
	ctx, cancel := context.WithTimeout(ctx, timeToDelete)
	defer cancel()
	if found, err = d.find(ctx); err != nil || !found {
		return false, err
	}
	return true, d.deleteOrganization(ctx)
}

// end deletes the organization, whatever has ended the examination.
func (d *Doctor) end(ctx context.Context, before error) error {
	most := timeToDelete
	if ctx.Err() != nil {
		most = timeToStop
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	if err := d.deleteOrganization(ctx); err != nil {
		return &LeftBehindError{d.Name, err, before}
	}
	return before
}

// RefusedError says that the tenant refused what an examination can't do without.
type RefusedError struct {
	What    string
	Status  int
	Message string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the tenant refused %s: %d %s", e.What, e.Status, e.Message)
}

// How long it is tried to delete the organization, at the end and when stopped.
const (
	timeToDelete = longestWindow + 9*time.Second
	timeToStop   = 25 * time.Second
)
