package auth0test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exports says how the tenant exports its users. Most of this is not documented;
// the zero value is an arbitrary choice.
type Exports struct {
	// Duration is how long a job takes. 0 means that it is done at once.
	Duration time.Duration

	// TimeLeft gives a job that is not done its percentage_done and
	// time_left_seconds.
	TimeLeft bool

	// Fail is how many of the first jobs fail in the end.
	Fail int

	// Busy is how many of the first jobs are refused because others are running.
	Busy int

	// Shape is what a nested field looks like, such as
	// identities[0].connection or app_metadata.employee.
	Shape Shape

	// Nulls writes null for a field that a user does not have, instead of
	// leaving it out.
	Nulls bool

	// Plain leaves the users uncompressed.
	Plain bool

	// LinkLife is how long the link to a download works. 0 means 60 seconds, as
	// documented. Every GET of the job gives a new link.
	LinkLife time.Duration

	// Cut is how many of the first downloads end in the middle.
	Cut int

	// Redirects is how often a link redirects to another.
	Redirects int

	// Youngest is how many of the newest users are missing from the export.
	Youngest int

	// Fold writes e-mail addresses in lower case, instead of as they are.
	Fold bool
}

// Shape is what a nested field looks like in an export.
type Shape int

const (
	Flat    Shape = iota // "app_metadata.employee": "7"
	Nested               // "app_metadata": {"employee": "7"}
	Omitted              // as Flat, but without fields that have an index
)

const (
	defaultLinkLife = time.Minute
	jobLife         = 24 * time.Hour // then its data are deleted, as documented
)

// exports are the tenant's jobs. Tenant.mu guards it.
type exports struct {
	url   *url.URL // of the downloads
	jobs  map[string]*job
	links map[string]link // to downloads, by path and query
	asked int             // requests for jobs
	begun int             // downloads
}

// link is what a link to a download leads to.
type link struct {
	job       *job
	expires   time.Time
	redirects int // to go through first
}

// job is an export of users, with the recorded fields.
type job struct {
	Type         string        `json:"type"`
	Status       string        `json:"status"`
	Format       string        `json:"format"`
	Fields       []exportField `json:"fields,omitempty"`
	Limit        int           `json:"limit,omitempty"` // 0: none
	ConnectionID string        `json:"connection_id,omitempty"`
	Connection   string        `json:"connection,omitempty"` // its name; empty: all
	CreatedAt    string        `json:"created_at"`
	ID           string        `json:"id"`
	Percent      int           `json:"percentage_done,omitempty"`
	Left         int           `json:"time_left_seconds,omitempty"`
	Location     string        `json:"location,omitempty"`

	created time.Time
	fails   bool
	users   []User
}

type exportField struct {
	Name string `json:"name"`
	As   string `json:"export_as,omitempty"`
}

// SetDownloadURL sets the address of downloads, whose host is not the tenant's.
// The tenant answers for both: over a socket, serve it at a second address and
// set that.
func (t *Tenant) SetDownloadURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exports.url = u
	return nil
}

func (t *Tenant) downloadURL() *url.URL {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exports.url
}

// exportUsers is POST /jobs/users-exports.
func (t *Tenant) exportUsers(c *call) *reply {
	j, refused := t.readExport(c)
	if refused != nil {
		return refused
	}
	x, set := &t.exports, t.cfg.Exports
	x.asked++
	if x.asked <= set.Busy {
		// The words are those documented for jobs that import users.
		return refuse(http.StatusTooManyRequests, "", "There are 2 active export users jobs, please wait until some of them are finished and try again")
	}
	j.Type, j.Status, j.Format = "users_export", "pending", "json"
	j.ID = "job_" + alnum(fmt.Sprint("job", len(x.jobs)+1), 16)
	j.created, j.fails = t.now(), len(x.jobs) < set.Fail
	j.CreatedAt = timestamp(j.created)
	x.jobs[j.ID] = j
	return respond(http.StatusOK, j)
}

// readExport reads the body of a job, which may be empty.
func (t *Tenant) readExport(c *call) (*job, *reply) {
	j := new(job)
	if len(c.body) > 0 {
		if refused := t.read(c, j); refused != nil {
			return nil, refused
		}
	}
	j.users = t.users
	j.users = j.users[:max(len(j.users)-t.cfg.Exports.Youngest, 0)]
	if all := t.connections(); j.ConnectionID != "" && len(all) > 0 { // if there are none, every connection exists, and there are no users
		at := slices.IndexFunc(all, func(c Connection) bool { return c.ID == j.ConnectionID })
		if at < 0 {
			return nil, refuse(http.StatusNotFound, "inexistent_connection", "The connection does not exist")
		}
		j.Connection = all[at].Name
		j.users = slices.DeleteFunc(slices.Clone(j.users), func(u User) bool { return u.connection() != j.Connection })
	}
	if j.Limit > 0 {
		j.users = j.users[:min(j.Limit, len(j.users))]
	}
	return j, nil
}

// job is GET /jobs/{id}.
func (t *Tenant) job(c *call) *reply {
	made, found := t.exports.jobs[c.PathValue("id")]
	now := t.now()
	if !found || now.Sub(made.created) >= jobLife {
		return refuse(http.StatusNotFound, "inexistent_job", "Job not found.")
	}
	j, set := *made, t.cfg.Exports
	left := set.Duration - now.Sub(j.created)
	switch {
	case left > 0 && set.TimeLeft:
		j.Percent = int(100 - 100*left/set.Duration)
		j.Left = wholeSeconds(left)
	case left > 0:
	case j.fails:
		j.Status = "failed"
	default:
		j.Status, j.Percent = "completed", 100
		j.Location = t.exports.address(link{made, now.Add(cmp.Or(set.LinkLife, defaultLinkLife)), set.Redirects})
	}
	return respond(http.StatusOK, j)
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// address returns a new address for a link, in the form reported for real ones.
func (x *exports) address(to link) string {
	u := *x.url
	u.Path = "/" + to.job.ID + "/users.json.gz"
	u.RawQuery = url.Values{
		"Expires": {strconv.FormatInt(to.expires.Unix(), 10)}, "Key-Pair-Id": {"APKAAUTH0TEST"}, "Signature": {rand.Text()},
	}.Encode()
	x.links[u.RequestURI()] = to
	return u.String()
}

// download is the download that a link leads to. It needs no credentials, and
// refuses requests with credentials, like a file store with signed links.
func (t *Tenant) download(c *call) *reply {
	x := &t.exports
	to, found := x.links[c.URL.RequestURI()]
	switch {
	case c.Header.Get("Authorization") != "":
		return denied(http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed")
	case c.Method != http.MethodGet, !found, !t.now().Before(to.expires):
		return denied(http.StatusForbidden, "AccessDenied", "Access denied")
	case to.redirects > 0:
		to.redirects--
		return &reply{status: http.StatusFound, header: http.Header{"Location": {x.address(to)}}}
	}
	cut := x.begun < t.cfg.Exports.Cut
	x.begun++
	return &reply{
		status: http.StatusOK, header: http.Header{"Content-Type": {"application/octet-stream"}},
		stream: func(w io.Writer) error { return to.job.write(w, t.cfg.Exports, cut) },
	}
}

func denied(status int, code, message string) *reply {
	return &reply{
		status: status, header: http.Header{"Content-Type": {"application/xml"}},
		body: fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message),
	}
}

// write writes the users. If cut, it ends after half of them, in the middle of
// the next, with io.ErrUnexpectedEOF.
func (j *job) write(w io.Writer, set Exports, cut bool) error {
	out := bufio.NewWriter(w)
	lines, end := io.Writer(out), func() error { return nil }
	if !set.Plain {
		zip, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // a valid level
		lines, end = zip, zip.Close
		if cut {
			end = zip.Flush
		}
	}
	users := j.users
	if cut {
		users = users[:len(users)/2]
	}
	for _, u := range users {
		if _, err := lines.Write(append(marshal(j.user(u, set)), '\n')); err != nil {
			return err
		}
	}
	if cut {
		_, _ = io.WriteString(lines, `{"user`)
	}
	if err := errors.Join(end(), out.Flush()); err != nil || !cut {
		return err
	}
	return io.ErrUnexpectedEOF
}

// user is a line of the export. Without a list of fields it has all.
func (j *job) user(u User, set Exports) map[string]any {
	if set.Fold {
		u.Email = strings.ToLower(u.Email)
	}
	body := u.body()
	if len(j.Fields) == 0 {
		return body
	}
	identities, _ := body["identities"].([]map[string]any)
	body["identities[0]"] = identities[0]
	line := make(map[string]any, len(j.Fields))
	for _, f := range j.Fields {
		v := at(body, f.Name)
		if v == nil && !set.Nulls || set.Shape == Omitted && strings.Contains(f.Name, "[") {
			continue
		}
		if f.As == "" && set.Shape == Nested {
			nest(line, f.Name, v)
			continue
		}
		line[cmp.Or(f.As, f.Name)] = v
	}
	return line
}

// at returns the value at a path such as user_metadata.employee or
// identities[0].connection.
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}
