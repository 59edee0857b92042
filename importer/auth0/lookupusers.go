package auth0

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"slices"

	"orgimport/importer"
)

// AskedSingly reports whether users can be asked for one by one by a kind of key.
// Users with other keys can only be found in an export.
func AskedSingly(kind string) bool {
	return kind == importer.KindEmail || kind == importer.KindUserID
}

// FindUsersByExport has the tenant export its users and notes those that d asks for.
// connections has the ids of the connections that d's keys name, by name: if every
// key names one, there is a job for each connection, otherwise one job for all users.
//
// Users that the export lacks, because they signed up a moment ago, are then looked
// up with FindUsersSingly.
func (l *Lookup) FindUsersByExport(ctx context.Context, d *importer.Directory, connections map[string]string) error {
	jobs := []string{""} // of all users
	if !slices.Contains(d.Users.Connections(), "") {
		jobs = slices.Sorted(maps.Keys(connections))
	}
	for _, name := range jobs {
		job := usersJob{client: l.Jobs, download: l.Download, wait: l.JobWait, connectionID: connections[name], fields: exportFields(d)}
		job.progress = func(done int) { l.progress(PhaseExport, done, 100) }
		if err := job.run(ctx, func(r io.Reader) error {
			_, err := l.readExport(r, d, name)
			return err
		}); err != nil {
			return err
		}
	}
	return l.FindUsersSingly(ctx, d)
}

// ReadUsers notes the users of an export that was made by hand. It fails if r is not
// an export, or lacks a field that is needed.
func (l *Lookup) ReadUsers(r io.Reader, d *importer.Directory) error {
	x, err := l.readExport(r, d, "")
	if err != nil {
		return err
	}
	for _, field := range exportFields(d) {
		if !x.seen[field] {
			return &formatError{why: "no user has the field " + field}
		}
	}
	return nil
}

// readExport notes the users of an export. connection is that of users for whom the
// export does not name one.
func (l *Lookup) readExport(r io.Reader, d *importer.Directory, connection string) (*usersExport, error) {
	x := &usersExport{kinds: d.Users.Kinds()}
	return x, x.read(r, func(u user) {
		if u.Connection == "" {
			u.Connection = connection
		}
		d.Users.Found(u.ID, u.Connection, u.Verified, u.Keys...)
		if u.Connection == "" {
			for _, k := range u.Keys {
				d.Users.Spelt(k)
			}
		}
		if x.users%progressEvery == 0 {
			l.progress(PhaseUsers, x.users, 0)
		}
	})
}

const progressEvery = 10_000

// exportFields returns the fields that an export needs, and no others.
func exportFields(d *importer.Directory) []string {
	fields := []string{fieldUserID}
	for _, kind := range d.Users.Kinds() {
		if kind != importer.KindUserID {
			fields = append(fields, kind)
		}
		if kind == importer.KindEmail && !d.AllowUnverified {
			fields = append(fields, fieldVerified)
		}
	}
	if slices.ContainsFunc(d.Users.Connections(), func(name string) bool { return name != "" }) {
		fields = append(fields, fieldConnection)
	}
	return fields
}

// FindUsersSingly asks for each missing user by address or id. If there are many keys
// and none has been found yet, it tries the first leastGuarded before the others.
func (l *Lookup) FindUsersSingly(ctx context.Context, d *importer.Directory) error {
	var missing []importer.Wanted
	for w := range d.Users.Missing() {
		if AskedSingly(w.Kind) && !d.NoConnection[w.Connection] {
			missing = append(missing, w)
		}
	}
	first := min(len(missing), leastGuarded)
	if d.Users.Hits() > 0 || l.NoGuard {
		first = 0
	}
	asked := 0
	for _, part := range [][]importer.Wanted{missing[:first], missing[first:]} {
		if err := l.askUsers(ctx, d, part, asked, len(missing)); err != nil {
			return err
		}
		asked += len(part)
		if err := l.Guard(&d.Users); err != nil {
			return err
		}
	}
	return nil
}

// askUsers asks for users, of whom so many have been asked for already.
func (l *Lookup) askUsers(ctx context.Context, d *importer.Directory, wanted []importer.Wanted, asked, of int) error {
	for found, err := range askEach(ctx, l.Workers, wanted, l.users) {
		if err != nil {
			return err
		}
		if found.err != nil {
			code, _ := reason(found.err)
			d.Users.Failed(found.key.Key, found.key.Connection, code, found.err)
		}
		for _, u := range found.result {
			d.Users.Found(u.ID, u.Connection, u.Verified, u.Keys...)
		}
		asked++
		l.progress(PhaseUsers, asked, of)
	}
	return nil
}

// users returns the tenant's users with a key. It asks for an address as the file
// writes it, in every spelling, and in lower case: the API finds capitals only as
// they are.
func (l *Lookup) users(ctx context.Context, w importer.Wanted) ([]user, error) {
	if w.Kind == importer.KindUserID {
		return l.Users.userByID(ctx, w.Value)
	}
	var all []user
	for _, address := range append([]string{w.Value}, w.Spellings...) {
		users, err := l.Users.usersByEmail(ctx, address)
		if err != nil {
			return nil, err
		}
		all = append(all, users...)
	}
	return all, nil
}

// apiUser is a user in an answer of the API.
type apiUser struct {
	ID         string          `json:"user_id"`
	Email      string          `json:"email"`
	Verified   json.RawMessage `json:"email_verified"`
	Identities []struct {
		Connection string `json:"connection"`
	} `json:"identities"`
}

// UnmarshalJSON refuses an object without an id: it is not a user.
func (u *apiUser) UnmarshalJSON(data []byte) error {
	type plain apiUser
	return unmarshalItem(data, (*plain)(u), &u.ID, "a user without an id")
}

func (c *Client) usersByEmail(ctx context.Context, address string) ([]user, error) {
	var found []apiUser
	err := c.get(ctx, "/api/v2/users-by-email", url.Values{
		"email":          {address},
		"fields":         {"user_id,email,email_verified,identities"},
		"include_fields": {"true"},
	}, &found)
	if absent(err) {
		return nil, nil
	}
	users := make([]user, 0, len(found))
	for _, f := range found {
		u := user{ID: f.ID, Verified: scalar(f.Verified) == "true", Keys: []importer.Key{{Kind: importer.KindEmail, Value: f.Email}}}
		if len(f.Identities) > 0 {
			u.Connection = f.Identities[0].Connection
		}
		users = append(users, u)
	}
	return users, err
}

// userByID returns the user with an id, or none.
func (c *Client) userByID(ctx context.Context, id string) ([]user, error) {
	element, ok := pathElement(id)
	if !ok {
		return nil, nil
	}
	var found apiUser
	err := c.get(ctx, "/api/v2/users/"+element, url.Values{"fields": {"user_id"}, "include_fields": {"true"}}, &found)
	if absent(err) {
		return nil, nil
	}
	return []user{{ID: found.ID, Keys: []importer.Key{{Kind: importer.KindUserID, Value: found.ID}}}}, err
}

// FindConnections returns the ids of the tenant's connections by name. Names that it
// does not have are left out.
func (l *Lookup) FindConnections(ctx context.Context, names []string) (map[string]string, error) {
	ids := make(map[string]string)
	for i, name := range names {
		l.progress("connections", i, len(names))
		var found []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
		err := l.Connections.get(ctx, "/api/v2/connections", url.Values{"name": {name}, "fields": {"id,name"}, "include_fields": {"true"}}, &found)
		if err != nil && !absent(err) {
			return nil, err
		}
		for _, connection := range found {
			if connection.Name == name {
				ids[name] = connection.ID
			}
		}
	}
	return ids, nil
}
