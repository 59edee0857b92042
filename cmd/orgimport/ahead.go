package main

import (
	"fmt"
	"hash/maphash"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// ahead is what a run is going to send, as far as the input tells beforehand.
type ahead struct {
	size int // rows in a request at most
	rows int
	orgs map[uint64]int32 // rows by organization
	seed maphash.Seed
}

func newAhead(size int) *ahead {
	return &ahead{size: size, orgs: make(map[uint64]int32), seed: maphash.MakeSeed()}
}

// add counts a row, if it can be sent.
func (a *ahead) add(row importer.Row) {
	if row.Err != nil {
		return
	}
	org := row.OrgID
	if org == "" && row.Keys != nil {
		org = row.Keys.Org.Value
	}
	a.rows++
	a.orgs[maphash.String(a.seed, org)]++
}

// requests returns how many rows there are but for so many that are done, and
// about how many requests they take.
func (a *ahead) requests(done int) (rows, requests int) {
	for _, n := range a.orgs {
		requests += (int(n) + a.size - 1) / a.size
	}
	rows = max(0, a.rows-done)
	if a.rows > 0 {
		requests = (requests*rows + a.rows - 1) / a.rows
	}
	return rows, requests
}

// announce says, before anything is sent, what is going to be and about how long
// that takes.
func (j *job) announce(a *ahead) {
	rows, requests := a.requests(j.out.before.Settled())
	if rows == 0 {
		j.log.Info("nothing is left to send")
		return
	}
	takes, at := duration(requests, endpoint(20, 200)), "Auth0's usual limit of 200 requests a minute"
	if j.Rate > 0 && durationAt(requests, j.Rate) > takes {
		takes, at = durationAt(requests, j.Rate), fmt.Sprintf("%g requests a second", j.Rate)
	}
	text := fmt.Sprintf("%s to send in about %s: %s or so at %s",
		report.Plural(rows, "row"), report.Plural(requests, "request"), brief(max(takes, time.Second)), at)
	j.log.Info(text, j.ui.fields("rows", rows, "requests", requests, "seconds", takes.Seconds())...)
}
