package auth0

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// usersJob is a job that exports the tenant's users, from its creation to the end
// of the download.
type usersJob struct {
	client       *Client
	download     *http.Client
	wait         time.Duration // for everything
	connectionID string        // whose users; empty: all
	fields       []string
	progress     func(percent int)

	waitsFor string // for messages
}

// JobError says that the tenant did not export its users. It may do so later.
type JobError struct {
	Why string
	Err error // may be nil
}

func (e *JobError) Error() string {
	if e.Err == nil {
		return "the users export: " + e.Why
	}
	return "the users export: " + e.Why + ": " + e.Err.Error()
}

// Unwrap returns what went wrong last.
func (e *JobError) Unwrap() error { return e.Err }

// Reach returns [importer.ReachRun].
func (e *JobError) Reach() importer.Reach { return importer.ReachRun }

const (
	jobsPath  = "/api/v2/jobs/"
	usersPath = jobsPath + "users-exports"

	firstPoll = 2 * time.Second
	leastPoll = 3 * time.Second
	longPoll  = 30 * time.Second
	lastPoll  = time.Second // before the time is up
	mostLinks = 5           // asked for after the first
	mostTries = 2           // of a job that fails
)

// jobState is the state of a job in an answer of the API.
type jobState struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Percent  number `json:"percentage_done"`
	TimeLeft number `json:"time_left_seconds"`
	Location string `json:"location"`
}

// number is a JSON number, or a string that holds one. Anything else is 0.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	f, _ := strconv.ParseFloat(scalar(b), 64)
	*n = number(f)
	return nil
}

// errJobFailed is the error of a job that the tenant gave up.
var errJobFailed = errors.New("the job failed")

// run has the users exported and calls read with the download, again from the start
// if it is cut off.
func (j *usersJob) run(ctx context.Context, read func(io.Reader) error) error {
	late := &JobError{}
	waiting, cancel := context.WithTimeoutCause(ctx, j.wait, late)
	defer cancel()
	for try := 1; ; try++ {
		err := j.once(ctx, waiting, read)
		switch {
		case errors.Is(err, late):
			return &JobError{Why: fmt.Sprintf("%s after %s", j.waitsFor, j.wait)}
		case !errors.Is(err, errJobFailed):
			return err
		case try == mostTries:
			return &JobError{Why: fmt.Sprintf("the job failed %d times", try)}
		}
	}
}

// once has the users exported. waiting ends when the time for the job is up, which
// does not cut off a download.
func (j *usersJob) once(ctx, waiting context.Context, read func(io.Reader) error) error {
	id, err := j.create(waiting)
	if err != nil {
		return err
	}
	state, err := j.finished(waiting, id)
	if err != nil {
		return err
	}
	for links := 0; ; links++ {
		err := j.fetch(ctx, state.Location, read)
		if !errors.Is(err, errLink) || ctx.Err() != nil {
			return err
		}
		if links == mostLinks {
			return &JobError{"no link led to the users", err}
		}
		if links > 0 { // the first may have been too old; this one was not
			j.waitsFor = "no link leads to the users"
			if err := pause(waiting, time.Second<<links); err != nil {
				return err
			}
		}
		// A link lives a minute. Asking for the job gives another.
		if state, err = j.state(waiting, id); err != nil {
			return err
		}
	}
}

// create starts the job. While another one runs the tenant refuses it with a 429 that
// is not about the rate limit, so it is sent past the pace, and again until the time
// is up.
func (j *usersJob) create(ctx context.Context) (id string, err error) {
	type field struct {
		Name string `json:"name"`
	}
	wanted := struct {
		ConnectionID string  `json:"connection_id,omitempty"`
		Format       string  `json:"format"`
		Fields       []field `json:"fields"`
	}{j.connectionID, "json", nil}
	for _, name := range j.fields {
		wanted.Fields = append(wanted.Fields, field{name})
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return "", err
	}
	j.waitsFor = "the tenant has not taken the job"
	for began := time.Now(); ; {
		call := j.client.newCall(http.MethodPost, usersPath, nil)
		var state jobState
		call.body, call.limitIsFinal, call.into = body, true, &state
		_, err := j.client.do(ctx, call, http.StatusOK, http.StatusCreated, http.StatusAccepted) // 200 is documented
		busy, ok := errors.AsType[*Error](err)
		if ok && busy.Status == http.StatusTooManyRequests {
			j.waitsFor = "another export is under way"
			if err := pause(ctx, clampPoll(time.Since(began)/4)); err != nil {
				return "", err
			}
			continue
		}
		if ok && importer.ReachOf(err) != importer.ReachRun && importer.ReachOf(err) != importer.ReachBatch {
			return "", &JobError{"the tenant refused the job", err}
		}
		if err == nil && state.ID == "" {
			err = &JobError{Why: "the tenant gave the job no id"}
		}
		return state.ID, err
	}
}

// finished waits for the end of the job and asks for its state less and less often.
func (j *usersJob) finished(ctx context.Context, id string) (jobState, error) {
	j.waitsFor = "it is not done"
	created := time.Now()
	for wait := firstPoll; ; {
		if err := pause(ctx, wait); err != nil {
			return jobState{}, err
		}
		state, err := j.state(ctx, id)
		if err != nil {
			return jobState{}, err
		}
		switch strings.ToLower(state.Status) {
		case "completed":
			j.progress(100)
			return state, nil
		case "failed", "error":
			return jobState{}, errJobFailed
		}
		j.progress(int(state.Percent))
		left := time.Duration(float64(state.TimeLeft) * float64(time.Second))
		if left <= 0 {
			left = time.Since(created)
		}
		wait = clampPoll(left / 4)
	}
}

func clampPoll(d time.Duration) time.Duration { return min(max(d, leastPoll), longPoll) }

func (j *usersJob) state(ctx context.Context, id string) (state jobState, err error) {
	element, ok := pathElement(id)
	if !ok {
		return state, &JobError{Why: "the tenant gave the job an impossible id"}
	}
	err = j.client.get(ctx, jobsPath+element, nil, &state)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
		err = errJobFailed // the tenant has lost it
	}
	return state, err
}

// pause waits for d, or until the tenant can be asked for the last time before ctx
// ends.
func pause(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok {
		if last := time.Until(end) - lastPoll; last > 0 {
			d = min(d, last)
		}
	}
	if !retry.Sleep(ctx, d, nil) {
		return retry.Stopped(ctx)
	}
	return nil
}

// errLink is the error of a link that does not lead to a whole download. Another may.
var errLink = errors.New("the link does not work")

// fetch downloads from the link. The link is signed and gives access to the users, so
// no error shows it.
func (j *usersJob) fetch(ctx context.Context, link string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil || req.URL.Host == "" || !safeLink(req.URL) {
		return &JobError{Why: "the tenant gave no link that starts with https"}
	}
	resp, err := j.download.Do(req) //nolint:bodyclose // Drain closes it
	if err != nil {
		if ctx.Err() != nil {
			return retry.Stopped(ctx)
		}
		return linkError(err)
	}
	defer retry.Drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %d %s", errLink, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	body := bufio.NewReader(resp.Body)
	if _, err := body.Peek(1); errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the download is empty", errLink)
	}
	err = read(body)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return retry.Stopped(ctx)
	}
	return linkError(err)
}

// linkError returns why a download failed, without the link.
func linkError(err error) error {
	var (
		redirect *JobError
		noHost   *net.DNSError
		lost     *net.OpError
		slow     *retry.TimeoutError
		format   *formatError
	)
	switch {
	case errors.As(err, &redirect):
		return redirect
	case errors.As(err, &noHost):
		err = noHost
	case errors.As(err, &lost):
		err = lost
	case errors.As(err, &slow):
		err = slow
	case errors.As(err, &format):
		err = format
	default:
		err = errors.New("the download was cut off")
	}
	return fmt.Errorf("%w: %w", errLink, err)
}

// safeLink reports whether a download from u can't be read or changed on its way.
func safeLink(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

// mostRedirects is how many redirects of a download are followed.
const mostRedirects = 3

// NewDownload returns a client for [Lookup.Download] that sends through rt. It sends
// no token, no cookies and no referrer.
func NewDownload(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: rt,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > mostRedirects:
				return &JobError{Why: "the link redirects too often"}
			case !safeLink(req.URL) || via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
				return &JobError{Why: "the link redirects to an address that is not https"}
			}
			req.Header.Del("Referer")
			return nil
		},
	}
}

// The fields of an exported user with a special meaning. Any other is the kind of a
// key, such as email, username or app_metadata.employee.
const (
	fieldUserID     = "user_id"
	fieldVerified   = "email_verified"
	fieldConnection = "identities[0].connection"
)

// exportNames are the names that Auth0's Dashboard and its import-export extension
// give to fields by default, in lower case.
var exportNames = map[string]string{
	fieldUserID: "id", importer.KindEmail: "email", fieldVerified: "email verified", fieldConnection: "connection",
}

// user is what a look-up needs to know about a user of the tenant.
type user struct {
	ID         string
	Connection string // of the first identity; empty if it is not known
	Verified   bool   // the e-mail address
	Keys       []importer.Key
}

// usersExport reads the users that a tenant has exported: Auth0's NDJSON, one
// object a line, or its CSV, compressed with gzip or not.
//
// A field below another, such as app_metadata.employee, may be flat under its whole
// name, or nested: the form of the export is not documented.
type usersExport struct {
	kinds []string // of the keys that are read

	// seen are the fields of the export: the columns of a CSV file, and in NDJSON
	// those that are not null for every user.
	seen map[string]bool

	users int // read so far
}

// formatError says that a file is not an export of users.
type formatError struct {
	line int // 0: the file as a whole
	why  string
}

func (e *formatError) Error() string {
	if e.line == 0 {
		return e.why
	}
	return fmt.Sprintf("line %d %s", e.line, e.why)
}

// maxUserLine is how long a line may be. A user has at most 16 MB of metadata, but
// our own exports have none of it.
const maxUserLine = 32 << 20

// read calls each with every user of r, whose Keys it must not keep. It returns a
// *formatError if r is not an export, and io.ErrUnexpectedEOF or the error of r if r
// ended in the middle.
func (x *usersExport) read(r io.Reader, each func(user)) error {
	x.seen, x.users = make(map[string]bool), 0
	in := bufio.NewReaderSize(r, 256<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(unzipped, 256<<10)
	}
	if bom, _ := in.Peek(3); string(bom) == "\uFEFF" {
		_, _ = in.Discard(len(bom))
	}
	first, err := firstVisible(in)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	case first == '{':
		return x.readJSON(in, each)
	case first == '[' || first == '<':
		return &formatError{1, fmt.Sprintf("begins with %q: neither NDJSON, one user a line, nor CSV", first)}
	}
	return x.readCSV(in, each)
}

// firstVisible returns the first byte that is not white space, without reading it.
func firstVisible(in *bufio.Reader) (byte, error) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b, in.UnreadByte()
		}
	}
}

func (x *usersExport) readJSON(in io.Reader, each func(user)) error {
	bounded := &recordReader{in: in}
	lines := bufio.NewReaderSize(bounded, 256<<10)
	var object map[string]json.RawMessage
	var keys []importer.Key
	for number := 1; ; number++ {
		bounded.left = maxUserLine
		line, err := lines.ReadBytes('\n')
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			clear(object)
			if json.Unmarshal(line, &object) != nil {
				if ended {
					return io.ErrUnexpectedEOF
				}
				return &formatError{number, "is not a JSON object"}
			}
			keys, err = x.emit(each, keys[:0], func(field string) string { return scalar(findNamed(object, field)) })
			if err != nil {
				return &formatError{number, err.Error()}
			}
		}
		if ended {
			return nil
		}
	}
}

// emit calls each with a user whose fields value returns. It returns an error if one
// of them is not what it should be.
func (x *usersExport) emit(each func(user), keys []importer.Key, value func(field string) string) ([]importer.Key, error) {
	get := func(field string) string {
		v := value(field)
		if v != "" && !x.seen[field] {
			x.seen[field] = true
		}
		return v
	}
	x.users++
	u := user{ID: get(fieldUserID), Connection: get(fieldConnection)}
	switch verified := get(fieldVerified); strings.ToLower(verified) {
	case "true", "wahr": // as a German spreadsheet saves it
		u.Verified = true
	case "", "false", "falsch":
	default:
		return nil, fmt.Errorf("has %q in %s, which is neither true nor false", verified, fieldVerified)
	}
	for _, kind := range x.kinds {
		if v := get(kind); v != "" {
			keys = append(keys, importer.Key{Kind: kind, Value: v})
		}
	}
	u.Keys = keys
	if u.ID != "" {
		each(u)
	}
	return keys, nil
}

// findNamed returns the value of a field, which may have the name that it has in
// exportNames.
func findNamed(object map[string]json.RawMessage, field string) json.RawMessage {
	if v := find(object, field); v != nil || exportNames[field] == "" {
		return v
	}
	for name, v := range object {
		if strings.ToLower(name) == exportNames[field] {
			return v
		}
	}
	return nil
}

// find returns the value at a path such as identities[0].connection, or nil if there
// is none. A member may be named by any beginning of the path, dots included.
func find(object map[string]json.RawMessage, path string) json.RawMessage {
	if v, ok := object[path]; ok {
		return v
	}
	for i := range len(path) {
		if i == 0 || path[i] != '.' && path[i] != '[' {
			continue
		}
		if v := below(object[path[:i]], strings.TrimPrefix(path[i:], ".")); v != nil {
			return v
		}
	}
	return nil
}

// below returns the value at a path that begins in v.
func below(v json.RawMessage, path string) json.RawMessage {
	if len(v) == 0 || path == "" {
		return v
	}
	if index, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]"); ok && path[0] == '[' {
		var array []json.RawMessage
		i, err := strconv.Atoi(index)
		if err != nil || json.Unmarshal(v, &array) != nil || i < 0 || i >= len(array) {
			return nil
		}
		return below(array[i], strings.TrimPrefix(rest, "."))
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(v, &object) != nil {
		return nil
	}
	return find(object, path)
}

// scalar returns a JSON string, number or boolean as a CSV file would have it. Other
// values are not keys.
func scalar(v json.RawMessage) string {
	switch {
	case len(v) == 0 || string(v) == "null" || v[0] == '{' || v[0] == '[':
		return ""
	case v[0] != '"':
		return string(v)
	}
	inner := v[1 : len(v)-1]
	if !bytes.ContainsFunc(inner, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf }) {
		return string(inner) // without the cost of decoding
	}
	var s string
	if json.Unmarshal(v, &s) != nil || strings.ContainsRune(s, '\uFFFD') {
		return "" // damaged by a conversion, so nobody's key
	}
	return s
}

// readCSV reads Auth0's CSV, whose strings begin with a single quote so that no
// spreadsheet takes them for formulas.
func (x *usersExport) readCSV(in io.Reader, each func(user)) error {
	bounded := &recordReader{in: in, left: maxUserLine}
	r := csv.NewReader(bounded)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		return unreadableCSV(err)
	}
	header = slices.Clone(header)
	places := make(map[string]int, len(header))
	for i, name := range header {
		name = strings.TrimPrefix(strings.TrimSpace(name), "'")
		if _, twice := places[name]; twice {
			return &formatError{1, fmt.Sprintf("has the column %q twice", name)}
		}
		places[name] = i
	}
	for field, name := range exportNames {
		if _, ok := places[field]; ok {
			continue
		}
		for i, written := range header {
			if strings.ToLower(strings.TrimSpace(written)) == name {
				places[field] = i
			}
		}
	}
	for name := range places {
		x.seen[name] = true
	}
	if _, ok := places[fieldUserID]; !ok {
		return &formatError{1, fmt.Sprintf("has no column %s: it has %q", fieldUserID, header)}
	}
	var keys []importer.Key
	quoted := false
	for {
		bounded.left = maxUserLine
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadableCSV(err)
		}
		if len(record) != len(header) {
			line, _ := r.FieldPos(0)
			return &formatError{line, fmt.Sprintf("has %d values for %d columns", len(record), len(header))}
		}
		if x.users == 0 { // no id begins with a quote
			quoted = strings.HasPrefix(record[places[fieldUserID]], "'")
		}
		keys, err = x.emit(each, keys[:0], func(field string) string {
			i, ok := places[field]
			if !ok || strings.ContainsRune(record[i], '\uFFFD') {
				return ""
			}
			if quoted {
				return strings.TrimPrefix(record[i], "'")
			}
			return record[i]
		})
		if err != nil {
			line, _ := r.FieldPos(0)
			return &formatError{line, err.Error()}
		}
	}
}

// recordReader reads as much as one record may have.
type recordReader struct {
	in   io.Reader
	left int
}

func (r *recordReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, &formatError{why: "a record is too long"}
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// unreadableCSV returns err without text that the parser may quote.
func unreadableCSV(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return &formatError{e.Line, "is not CSV: " + e.Err.Error()}
	}
	return err
}
