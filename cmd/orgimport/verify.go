package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// verifyCmd reads members back, for who wants to see it with his own eyes.
type verifyCmd struct {
	File   string        `arg:"" name:"results" help:"Results file of a run, or - for standard input." placeholder:"RESULTS"`
	Settle time.Duration `help:"How long to go on asking for members who are not there yet, at most." default:"60s" placeholder:"DURATION" group:"pace"`

	tenantFlags `embed:""`
	paceFlags   `embed:""`
	uiFlags     `embed:""`
}

// Help is what orgimport verify --help says beside the flags.
func (verifyCmd) Help() string {
	return `Reads the members of every organization that has added or already_member lines, and prints those lines whose user is not among them, as CSV: line,org_id,user_id,reason. It ends with exit code 0 if all are there and with 1 if some are not.

Auth0's list of members may lag behind, so whoever is missing is asked for again, after longer and longer pauses. It takes the scope read:organization_members, which an import does not.`
}

// Validate is called by kong when all flags are read.
func (cmd *verifyCmd) Validate() error {
	if cmd.Settle < 0 {
		return errors.New("--settle must be 0 or more, such as 60s")
	}
	return cmd.paceFlags.Validate()
}

// Run verifies the file.
func (cmd *verifyCmd) Run(c *console) error {
	ui := c.openUI(cmd.uiFlags)
	defer ui.Close()
	v := &verifier{observer: observer{log: ui.log}, settle: cmd.Settle, workers: cmd.paceFlags.workers()}
	ctx, end := c.untilSignal(v.signalled, ui.abandon)
	defer end()
	conn, err := cmd.connect(c.surroundings, cmd.paceFlags)
	if err != nil {
		return err
	}
	rolls, err := readRolls(ctx, c, cmd.File, conn.base.Host, ui)
	if err != nil {
		return err
	}
	ui.notice("tenant " + conn.base.Host)
	v.rolls = rolls
	client, _ := conn.class(&v.observer)
	v.members = func(ctx context.Context, orgID string) iter.Seq2[string, error] {
		return userIDs(client.Members(ctx, orgID))
	}
	started := time.Now()
	ui.watch(func() progress {
		p := v.progress()
		p.elapsed, p.waiting = time.Since(started), v.waiting()
		return p
	})
	err = v.run(ctx)
	ui.Close()
	return cmd.finish(c, ui, v, err)
}

func userIDs(members iter.Seq2[auth0.Member, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for m, err := range members {
			if !yield(m.UserID, err) {
				return
			}
		}
	}
}

// finish prints what is missing, says how it ended and adds up.
func (cmd *verifyCmd) finish(c *console, ui *ui, v *verifier, err error) error {
	sum := v.reckon()
	switch {
	case err != nil:
	case sum.unread != nil:
		err = &exitError{exitTemporary, fmt.Errorf("%d lines could not be checked: %w", sum.unchecked, sum.unread), "try again in a while"}
	case sum.missing > 0:
		err = errRows
	}
	if e := v.list(c.stdout); e != nil {
		err = &exitError{exitStopped, fmt.Errorf("can't write the list: %w", e), ""}
	}
	e := exitOf(err)
	c.say(e)
	ui.closing(sum.String())
	return e.said()
}

// readRolls reads the lines that say that a row is in.
func readRolls(ctx context.Context, c *console, path, tenant string, ui *ui) (*rolls, error) {
	in, err := openInput(ctx, c, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rs := &rolls{}
	lines, err := csvfile.Decompress(in)
	if err != nil {
		return nil, err
	}
	r, err := report.NewReader(lines)
	if err == nil {
		r.Tenant = tenant
		for o, e := range r.Outcomes() {
			if err = e; err != nil || ctx.Err() != nil {
				break
			}
			rs.add(o)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, resultsError(in.name, err)
	}
	damaged := r.Damaged
	if r.Torn {
		damaged++
	}
	if damaged > 0 {
		ui.log.Warn(fmt.Sprintf("%s: %d lines are damaged and not checked; import --resume mends the file", in.name, damaged))
	}
	return rs, nil
}

// list prints the lines that are missing.
func (v *verifier) list(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"line", "org_id", "user_id", "reason"}) // asked for its error at the end
	for _, r := range v.rolls.all {
		if r.state != read {
			continue
		}
		for _, place := range r.missing {
			_ = out.Write([]string{strconv.FormatUint(uint64(r.lines[place]), 10), r.orgID, r.user(place), r.reason()})
		}
	}
	out.Flush()
	return out.Error()
}

// reason says why those who are missing are.
func (r *roll) reason() string {
	if r.why == nil {
		return "not a member"
	}
	if e := (*auth0.Error)(nil); errors.As(r.why, &e) && e.Status == http.StatusNotFound {
		return "no such organization: " + e.Message
	}
	return r.why.Error()
}

// verdicts are the lines by what was found.
type verdicts struct {
	lines, missing, unchecked int
	unread                    error // why some could not be checked, if for want of an answer
}

func (v *verifier) reckon() verdicts {
	sum := verdicts{lines: v.rolls.lines}
	for _, r := range v.rolls.all {
		switch r.state {
		case read:
			sum.missing += len(r.missing)
		case unread:
			sum.unread = r.why
			sum.unchecked += len(r.missing)
		case unasked:
			sum.unchecked += len(r.missing)
		}
	}
	return sum
}

// String adds up.
func (s verdicts) String() string {
	terms := []string{fmt.Sprintf("%d there", s.lines-s.missing-s.unchecked)}
	if s.missing > 0 {
		terms = append(terms, fmt.Sprintf("%d missing", s.missing))
	}
	if s.unchecked > 0 {
		terms = append(terms, fmt.Sprintf("%d not checked", s.unchecked))
	}
	return fmt.Sprintf("%d lines = %s", s.lines, strings.Join(terms, " + "))
}
