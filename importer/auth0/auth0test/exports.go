package auth0test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
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
	// Max is how many may run at once; 0 means any number.
	Busy, Max int

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
	url    *url.URL // of the downloads
	secret []byte   // signs links
	jobs   map[string]*job
	asked  int // requests for jobs
	begun  int // downloads
}

// job is an export of users, with the recorded fields.
type job struct {
	Type         string        `json:"type"`
	Status       string        `json:"status"`
	Format       string        `json:"format"`
	Fields       []exportField `json:"fields"`
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

func newExports() exports {
	return exports{
		url:    &url.URL{Scheme: "https", Host: "exports.auth0test.example"}, // user-exports.auth0.com, really
		secret: []byte(rand.Text()), jobs: make(map[string]*job),
	}
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
	t.mu.Lock()
	defer t.mu.Unlock()
	x, set := &t.exports, t.cfg.Exports
	x.asked++
	running := 0
	for _, other := range x.jobs {
		if t.now().Before(other.created.Add(set.Duration)) {
			running++
		}
	}
	if x.asked <= set.Busy || set.Max > 0 && running >= set.Max {
		// The words are those documented for jobs that import users.
		return refuse(http.StatusTooManyRequests, "", fmt.Sprintf(
			"There are %d active export users jobs, please wait until some of them are finished and try again", max(running, 1)))
	}
	j.Type, j.Status, j.Format = "users_export", "pending", "json"
	j.ID = "job_" + alnum(fmt.Sprint("job", len(x.jobs)+1), 16)
	j.created, j.fails = t.now(), len(x.jobs) < set.Fail
	j.CreatedAt = timestamp(j.created)
	x.jobs[j.ID] = j
	return respond(http.StatusOK, j)
}

var exportSchema = &schema{kind: "object", properties: []property{
	{"connection_id", false, schema{kind: "string", wrong: func(id string) string {
		if !connectionID.MatchString(id) {
			return "String does not match pattern " + connectionID.String() + ": " + id
		}
		return ""
	}}},
	{"format", false, schema{kind: "string", wrong: func(format string) string {
		if format != "json" { // Auth0 has CSV too; nobody here reads it
			return "No enum match for: " + format
		}
		return ""
	}}},
	{"limit", false, schema{kind: "integer", min: 1}},
	{"fields", false, schema{kind: "array", items: &schema{kind: "object", properties: []property{
		{"name", true, schema{kind: "string", min: 1, max: 100}},
		{"export_as", false, schema{kind: "string"}},
	}}}},
}}

var connectionID = regexp.MustCompile(`^con_[A-Za-z0-9]{16}$`)

// readExport reads the body of a job, which may be empty.
func (t *Tenant) readExport(c *call) (*job, *reply) {
	users := t.users.all()
	j := &job{users: users[:max(len(users)-t.cfg.Exports.Youngest, 0)]}
	if len(c.body) > 0 {
		object, refused := t.readBody(c, exportSchema)
		if refused != nil {
			return nil, refused
		}
		if err := json.Unmarshal(marshal(object), j); err != nil {
			return nil, invalidBody(err.Error(), "", "")
		}
	}
	if len(j.Fields) == 0 {
		for _, name := range fields {
			j.Fields = append(j.Fields, exportField{Name: name})
		}
	}
	all := t.connections()
	if j.ConnectionID == "" || len(all) == 0 { // if there are none, every connection exists, and no user has it
		return j, nil
	}
	at := slices.IndexFunc(all, func(c Connection) bool { return c.ID == j.ConnectionID })
	if at < 0 {
		return nil, refuse(http.StatusNotFound, "inexistent_connection", "The connection does not exist")
	}
	j.Connection = all[at].Name
	return j, nil
}

// job is GET /jobs/{id}.
func (t *Tenant) job(c *call) *reply {
	t.mu.Lock()
	defer t.mu.Unlock()
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
		j.Left = int((left + time.Second - 1) / time.Second)
	case left > 0:
	case j.fails:
		j.Status = "failed"
	default:
		j.Status, j.Percent = "completed", 100
		j.Location = t.exports.link(j.ID, now.Add(cmp.Or(set.LinkLife, defaultLinkLife)), set.Redirects)
	}
	return respond(http.StatusOK, j)
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// link returns a signed link to a download, in the form reported for real ones,
// which redirects that often first.
func (x *exports) link(jobID string, expires time.Time, redirects int) string {
	u := *x.url
	u.Path = "/" + jobID + "/users.json.gz"
	query := url.Values{"Expires": {strconv.FormatInt(expires.UnixMilli(), 10)}, "Key-Pair-Id": {"APKAAUTH0TEST"}}
	if redirects > 0 {
		query.Set("Redirects", strconv.Itoa(redirects))
	}
	query.Set("Signature", x.sign(u.Path, query))
	u.RawQuery = query.Encode()
	return u.String()
}

func (x *exports) sign(path string, query url.Values) string {
	h := hmac.New(sha256.New, x.secret)
	_, _ = fmt.Fprint(h, path, query.Get("Expires"), query.Get("Redirects"))
	return encode(h.Sum(nil))
}

// download is the download that a link leads to. It needs no credentials, and
// refuses requests with credentials, like a file store with signed links.
func (t *Tenant) download(c *call) *reply {
	query := c.URL.Query()
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Header.Get("Authorization") != "" {
		return denied(http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed")
	}
	x := &t.exports
	expires, err := strconv.ParseInt(query.Get("Expires"), 10, 64)
	jobID, _, _ := strings.Cut(strings.TrimPrefix(c.URL.Path, "/"), "/")
	j, found := x.jobs[jobID]
	switch {
	case c.Method != http.MethodGet, err != nil, !hmac.Equal([]byte(query.Get("Signature")), []byte(x.sign(c.URL.Path, query))),
		!found, !t.now().Before(time.UnixMilli(expires)):
		return denied(http.StatusForbidden, "AccessDenied", "Access denied")
	}
	if redirects, err := strconv.Atoi(query.Get("Redirects")); err == nil {
		rep := &reply{status: http.StatusFound, header: http.Header{}}
		rep.header.Set("Location", x.link(jobID, time.UnixMilli(expires), redirects-1))
		return rep
	}
	cut := x.begun < t.cfg.Exports.Cut
	x.begun++
	return &reply{
		status: http.StatusOK, header: http.Header{"Content-Type": {"application/octet-stream"}},
		stream: func(w io.Writer) error { return j.write(w, t.cfg.Exports, cut) },
	}
}

func denied(status int, code, message string) *reply {
	return &reply{
		status: status, header: http.Header{"Content-Type": {"application/xml"}},
		body: fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message),
	}
}

// errCut ends a download that is cut.
var errCut = errors.New("the connection is cut")

// write writes the users. If cut, it ends in the middle of a user, after half of
// them.
func (j *job) write(w io.Writer, set Exports, cut bool) error {
	out := bufio.NewWriter(w)
	var lines io.Writer = out
	end := out.Flush
	if !set.Plain {
		zip, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // a valid level
		lines = zip
		end = func() error {
			if cut {
				return errors.Join(zip.Flush(), out.Flush())
			}
			return errors.Join(zip.Close(), out.Flush())
		}
	}
	most := len(j.users)
	if cut {
		most = j.count() / 2
	}
	written := 0
	for u := range j.exported() {
		line := append(marshal(j.user(u, set)), '\n')
		if written == most {
			line = line[:len(line)/2]
		}
		if _, err := lines.Write(line); err != nil {
			return err
		}
		if written++; written > most {
			break
		}
	}
	if err := end(); err != nil || !cut {
		return err
	}
	return errCut
}

// exported yields the users that the job exports.
func (j *job) exported() iter.Seq[*User] {
	return func(yield func(*User) bool) {
		n := 0
		for i := range j.users {
			u := &j.users[i]
			if j.Connection != "" && u.connection() != j.Connection {
				continue
			}
			if n++; !yield(u) || n == j.Limit {
				return
			}
		}
	}
}

func (j *job) count() (n int) {
	for range j.exported() {
		n++
	}
	return n
}

// user is a line of the export.
func (j *job) user(u *User, set Exports) map[string]any {
	line := make(map[string]any, len(j.Fields))
	for _, f := range j.Fields {
		v := u.at(f.Name)
		if email, isText := v.(string); isText && f.Name == "email" && set.Fold {
			v = strings.ToLower(email)
		}
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

// at returns the value of a user at a path such as user_metadata.employee or
// identities[0].connection.
func (u *User) at(path string) any {
	if path == "identities[0].connection" {
		return u.connection()
	}
	head, rest, deep := strings.Cut(path, ".")
	v := u.field(head)
	for deep && v != nil {
		object, _ := v.(map[string]any)
		head, rest, deep = strings.Cut(rest, ".")
		v = object[head]
	}
	return v
}

// nest puts v at a path into an object.
func nest(object map[string]any, path string, v any) {
	head, rest, deep := strings.Cut(path, ".")
	if !deep {
		object[head] = v
		return
	}
	inner := make(map[string]any)
	if name, indexed := strings.CutSuffix(head, "[0]"); indexed {
		object[name] = []map[string]any{inner}
	} else if known, ok := object[head].(map[string]any); ok {
		inner = known
	} else {
		object[head] = inner
	}
	nest(inner, rest, v)
}
