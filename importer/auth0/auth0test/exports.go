package auth0test

import (
	"bufio"
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
	"strconv"
	"strings"
	"time"
)

// Exports is how the tenant exports its users. Most of it is not documented; the
// zero value is a choice.
type Exports struct {
	// Duration is how long a job takes. 0 means that it is done at once.
	Duration time.Duration

	// TimeLeft has a job that is not done tell percentage_done and
	// time_left_seconds.
	TimeLeft bool

	// Fail is how many jobs fail, from the first on, when their time is over.
	Fail int

	// Busy is how many jobs are refused, from the first on, because of others
	// that are under way. Max is how many may be under way; 0 means any number.
	Busy, Max int

	// Shape is how a field below another, such as identities[0].connection or
	// app_metadata.employee, looks.
	Shape Shape

	// Nulls gives a user null for a field that the user has not, and else
	// leaves it out.
	Nulls bool

	// Plain leaves the users uncompressed.
	Plain bool

	// LinkLife is how long a link to the users works. 0 means 60 seconds, as
	// documented. Every look at the job gives a new one.
	LinkLife time.Duration

	// Cut is how many downloads end in the middle, from the first on.
	Cut int

	// Redirects is how often a link leads to another.
	Redirects int

	// Youngest is how many of the users who came last are not exported yet.
	Youngest int

	// Fold gives out addresses in lower case, and else as they are.
	Fold bool
}

// Shape is how a field below another looks in an export.
type Shape int

const (
	Flat    Shape = iota // "app_metadata.employee": "7"
	Nested               // "app_metadata": {"employee": "7"}
	Omitted              // as Flat, but that fields with an index are left out
)

const (
	defaultLinkLife = time.Minute
	jobLife         = 24 * time.Hour // after which its data are deleted, as documented
	maxFieldName    = 100
)

// defaultDownloadURL is where links lead to. The real ones lead to another host
// too, user-exports.auth0.com.
const defaultDownloadURL = "https://exports.auth0test.example"

// exports are the tenant's jobs. Tenant.mu guards it.
type exports struct {
	url    *url.URL // of the downloads
	secret []byte   // that signs links
	jobs   map[string]*job
	asked  int // for jobs
	made   int // jobs
	cut    int // downloads
}

// job is an export of users.
type job struct {
	id           string
	created      time.Time
	fails        bool
	connectionID string
	connection   string // its name; empty: all
	fields       []exportField
	limit        int // 0: none
	users        []User
}

type exportField struct {
	Name string `json:"name"`
	As   string `json:"export_as,omitempty"`
}

func newExports() exports {
	u, err := url.Parse(defaultDownloadURL)
	if err != nil {
		panic(err)
	}
	return exports{url: u, secret: []byte(rand.Text()), jobs: make(map[string]*job)}
}

// SetDownloadURL says where the users that a job has exported can be had, which
// is another host than the tenant's. The tenant answers for both: over a socket,
// serve it at a second address and give that.
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
func (t *Tenant) exportUsers(c *call) reply {
	j, rep, valid := t.readExport(c)
	if !valid {
		return rep
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
		// The words are those documented of jobs that import users.
		return refuse(http.StatusTooManyRequests, "", fmt.Sprintf(
			"There are %d active export users jobs, please wait until some of them are finished and try again", max(running, 1)))
	}
	x.made++
	j.id = "job_" + alnum(fmt.Sprint("job", x.made), 16)
	j.created, j.fails = t.now(), x.made <= set.Fail
	x.jobs[j.id] = j
	return ok(http.StatusOK, j.body())
}

// readExport reads the body of a job, all of which may be left out.
func (t *Tenant) readExport(c *call) (*job, reply, bool) {
	j := &job{fields: []exportField{}}
	for _, name := range fields {
		j.fields = append(j.fields, exportField{Name: name})
	}
	users := t.users.all()
	j.users = users[:max(len(users)-t.cfg.Exports.Youngest, 0)]
	if len(c.body) == 0 {
		return j, reply{}, true
	}
	if _, rep, valid := t.parseBody(c); !valid {
		return nil, rep, false
	}
	var body struct {
		ConnectionID *string       `json:"connection_id"`
		Format       *string       `json:"format"`
		Limit        *int          `json:"limit"`
		Fields       []exportField `json:"fields"`
	}
	in := json.NewDecoder(strings.NewReader(string(c.body)))
	in.DisallowUnknownFields()
	if err := in.Decode(&body); err != nil {
		return nil, invalidBody(err.Error(), "", ""), false // how the API words it does not matter here
	}
	bad := func(text, property string) (*job, reply, bool) {
		return nil, invalidBody(text, property, ""), false
	}
	switch {
	case body.Format != nil && *body.Format != "json":
		// Auth0 has CSV too; nobody here reads it.
		return bad("No enum match for: "+*body.Format, "format")
	case body.Limit != nil && *body.Limit < 1:
		return bad(fmt.Sprintf("Value %d is less than minimum 1", *body.Limit), "limit")
	case body.Limit != nil:
		j.limit = *body.Limit
	}
	for i, f := range body.Fields {
		if f.Name == "" || len(f.Name) > maxFieldName {
			return bad("Object didn't pass validation for the length of a name", fmt.Sprintf("fields[%d].name", i))
		}
	}
	if len(body.Fields) > 0 {
		j.fields = body.Fields
	}
	if body.ConnectionID == nil {
		return j, reply{}, true
	}
	j.connectionID = *body.ConnectionID
	if !connectionID.MatchString(j.connectionID) {
		return bad("String does not match pattern "+connectionID.String()+": "+j.connectionID, "connection_id")
	}
	all := t.connections()
	for _, connection := range all {
		if connection.ID == j.connectionID {
			j.connection = connection.Name
			return j, reply{}, true
		}
	}
	if len(all) == 0 { // every connection exists, and nobody has it
		return j, reply{}, true
	}
	return nil, refuse(http.StatusNotFound, "inexistent_connection", "The connection does not exist"), false
}

var connectionID = regexp.MustCompile(`^con_[A-Za-z0-9]{16}$`)

// body is a job as it was recorded when it was made.
func (j *job) body() map[string]any {
	body := map[string]any{
		"type": "users_export", "status": "pending", "format": "json", "fields": j.fields,
		"created_at": timestamp(j.created), "id": j.id,
	}
	if j.connectionID != "" {
		body["connection_id"], body["connection"] = j.connectionID, j.connection
	}
	if j.limit > 0 {
		body["limit"] = j.limit
	}
	return body
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// job is GET /jobs/{id}.
func (t *Tenant) job(c *call) reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, found := t.exports.jobs[c.arg]
	now := t.now()
	if !found || now.Sub(j.created) >= jobLife {
		return refuse(http.StatusNotFound, "inexistent_job", "Job not found.")
	}
	body := j.body()
	set := t.cfg.Exports
	left := set.Duration - now.Sub(j.created)
	switch {
	case left > 0 && set.TimeLeft:
		body["percentage_done"] = int(100 - 100*left/set.Duration)
		body["time_left_seconds"] = int((left + time.Second - 1) / time.Second)
	case left > 0:
	case j.fails:
		body["status"] = "failed"
	default:
		body["status"], body["percentage_done"] = "completed", 100
		body["location"] = t.exports.link(j.id, now.Add(t.linkLife()), set.Redirects)
	}
	return ok(http.StatusOK, body)
}

func (t *Tenant) linkLife() time.Duration {
	if t.cfg.Exports.LinkLife == 0 {
		return defaultLinkLife
	}
	return t.cfg.Exports.LinkLife
}

// link is a signed link to the users, in the shape reported of real ones, which
// leads to so many others first.
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

// download is what a link leads to. It wants nobody to log in, and refuses those
// who do, as a store of files with signed links does.
func (t *Tenant) download(c *call) reply {
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
		rep := reply{status: http.StatusFound, header: http.Header{}}
		rep.header.Set("Location", x.link(jobID, time.UnixMilli(expires), redirects-1))
		return rep
	}
	cut := x.cut < t.cfg.Exports.Cut
	x.cut++
	return reply{
		status: http.StatusOK, header: http.Header{"Content-Type": {"application/octet-stream"}},
		stream: func(w io.Writer) error { return j.write(w, t.cfg.Exports, cut) },
	}
}

func denied(status int, code, message string) reply {
	return reply{
		status: status, header: http.Header{"Content-Type": {"application/xml"}},
		body: fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message),
	}
}

// errCut is the end of a download that is cut.
var errCut = errors.New("the connection is cut")

// write writes the users, or half of them. In the middle of a user it ends.
func (j *job) write(w io.Writer, set Exports, cut bool) error {
	out := bufio.NewWriter(w)
	var lines io.Writer = out
	end := out.Flush
	if !set.Plain {
		zip, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // the level is one
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

// exported yields the users of the job.
func (j *job) exported() iter.Seq[*User] {
	return func(yield func(*User) bool) {
		n := 0
		for i := range j.users {
			u := &j.users[i]
			if j.connection != "" && u.connection() != j.connection {
				continue
			}
			if n++; !yield(u) || n == j.limit {
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
	line := make(map[string]any, len(j.fields))
	for _, f := range j.fields {
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
		name := f.Name
		if f.As != "" {
			name = f.As
		}
		line[name] = v
	}
	return line
}

// at is what a user has at a path such as user_metadata.employee or
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
