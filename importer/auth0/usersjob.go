package auth0

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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
		if links > 0 { // it is not that the first one was too old
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
		call.body, call.limitIsFinal = body, true
		var state jobState
		_, err := j.client.read(ctx, call, &state)
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
	target, err := url.Parse(link)
	if err != nil || target.Host == "" || !safeLink(target) {
		return &JobError{Why: "the tenant gave no link that starts with https"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return &JobError{Why: "the tenant gave a link that can't be asked for"}
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
	if redirect, ok := errors.AsType[redirectError](err); ok {
		return &JobError{Why: string(redirect)}
	}
	if lost, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%w: %w", errLink, lost)
	}
	if lost, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%w: %w", errLink, lost)
	}
	if slow, ok := errors.AsType[*retry.TimeoutError](err); ok {
		return fmt.Errorf("%w: %w", errLink, slow)
	}
	if format, ok := errors.AsType[*formatError](err); ok {
		return fmt.Errorf("%w: %w", errLink, format)
	}
	return fmt.Errorf("%w: the download was cut off", errLink)
}

// safeLink reports whether a download from u can't be read or changed on its way.
func safeLink(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

// mostRedirects is how many redirects of a download are followed.
const mostRedirects = 3

type redirectError string

func (e redirectError) Error() string { return string(e) }

// NewDownload returns a client for [Lookup.Download] that sends through rt. It sends
// no token, no cookies and no referrer.
func NewDownload(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: rt,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > mostRedirects:
				return redirectError("the link redirects too often")
			case !safeLink(req.URL) || via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
				return redirectError("the link redirects to an address that is not https")
			}
			req.Header.Del("Referer")
			return nil
		},
	}
}
