package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"orgimport/cmd/orgimport/internal/diff"
	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// diffCmd compares a file with the members of the organizations that it names.
type diffCmd struct {
	File string `arg:"" help:"A CSV file with a header and all members, or - for standard input." placeholder:"FILE"`

	Joiners  string `help:"File for the joiners; an input of orgimport import." placeholder:"FILE" group:"results"`
	Leavers  string `help:"File for the leavers; an input of orgimport remove." placeholder:"FILE" group:"results"`
	Kept     string `help:"File for the members who are kept in doubt, with the reason." placeholder:"FILE" group:"results"`
	Failures string `help:"File for the rows that could not be resolved." placeholder:"FILE" group:"results"`
	Summary  string `help:"File for the numbers, as JSON." placeholder:"FILE" group:"results"`
	Print    bool   `help:"Print each joiner (+ ORG USER) and leaver (- ORG USER)." group:"output"`

	MaxLeavers  *job.Share    `help:"Stop with exit code 4 if more members would leave." placeholder:"N|N%" group:"limits"`
	Tolerate    job.Share     `help:"End with exit code 0 if at most that many rows are bad." placeholder:"N|N%" group:"limits"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"limits"`
	NoGuard     bool          `help:"Do not stop when the tenant has none of 100 or more keys." group:"limits" hidden:""`

	tenantFlags  `embed:""`
	dialectFlags `embed:""`
	lookupFlags  `embed:""`
	paceFlags    `embed:""`
	uiFlags      `embed:""`
}

func (diffCmd) Help() string {
	return `Reads the members of the organizations in the file, and changes nothing. Joiners are users who are in the file and not members; leavers are members who are not in the file. Organizations that are not in the file are ignored.

A member who might be in the file is kept, not a leaver: if a row that might mean the member was rejected, or its user or organization is unknown, ambiguous or not verified; if a record of the file can't be read; and if the file has no member of the organization at all. Once users of the file have joined that organization, its other members leave, within --max-leavers. A person whose address or account has changed leaves as one user and joins as another.

Examples:

    orgimport diff members.csv --joiners in.csv --leavers out.csv
    orgimport diff members.csv --leavers out.csv --max-leavers 2% --tolerate 20
    orgimport import in.csv --results in.results.csv
    orgimport remove out.csv --results out.results.csv --max-removals 500

Old output files are removed first, so that a diff that fails leaves none. After a removal, wait 30 seconds, because Auth0's lists may lag. It needs the scope read:organization_members, and those of the look-ups.`
}

func (cmd *diffCmd) Validate() error {
	return errors.Join(cmd.dialectFlags.Validate(), cmd.lookupFlags.Validate(), cmd.paceFlags.Validate())
}

// Run compares.
func (cmd *diffCmd) Run(c *console) error {
	ui := c.openUI(cmd.uiFlags)
	defer ui.Close()
	d := &differ{console: c, observer: &observer{log: ui.log}, cmd: cmd, ui: ui}
	d.summary.Started = time.Now().UTC()
	outputs := d.outputs()
	if err := c.checkFiles(cmd.File, cmd.sourceFlags(), outputs.files()...); err != nil {
		return err
	}
	if err := outputs.remove(); err != nil { // so that a diff that fails leaves none
		return err
	}
	ctx, end := c.untilSignal(d.signalled, ui.abandon)
	defer end()
	ctx, stop := withMaxDuration(ctx, cmd.MaxDuration)
	defer stop()
	err := files.CheckWritable(outputs.files()...)
	if err == nil {
		err = d.compare(ctx)
	}
	ui.Close()
	if err != nil {
		return stoppedOr(ctx, err)
	}
	e := d.conclude()
	if e.code != exitErrors {
		if err := outputs.write(ctx); err != nil {
			return err
		}
	}
	if out, ok := c.stdout.(io.Seeker); ok { // what /dev/stdout was given comes before
		_, _ = out.Seek(0, io.SeekEnd)
	}
	if err := d.print(c.stdout); err != nil {
		return files.CantWrite("standard output", err)
	}
	if e.code == exitDone {
		return nil
	}
	return e
}

// sourceFlags returns the flags that say which rows there are.
func (cmd *diffCmd) sourceFlags() *sourceFlags {
	return &sourceFlags{
		tenantFlags: cmd.tenantFlags, dialectFlags: cmd.dialectFlags, lookupFlags: cmd.lookupFlags, paceFlags: cmd.paceFlags, uiFlags: cmd.uiFlags,
		NoGuard: cmd.NoGuard,
	}
}

// differ is a comparison under way.
type differ struct {
	*console
	*observer
	cmd *diffCmd
	ui  *ui

	tenant *tenancy.Tenant
	src    *job.Source // its rows have the columns that joiners and failures have
	all    *job.Source // its rows have all columns
	kept   []int       // where the columns of src are among those of all

	lists atomic.Pointer[memberLists] // nil: they are not read yet

	first    importer.Outcome // of the first row that is rejected
	rejected bytes.Buffer
	failures *report.Writer // to rejected

	result  *diff.Result
	summary diffSummary
}

// memberLists are the lists of members that are being read.
type memberLists struct {
	began      time.Time
	orgs       int          // to read
	done, read atomic.Int64 // of them, and members
}

// compare reads the file, what its rows name, and the members of their organizations.
func (d *differ) compare(ctx context.Context) (err error) {
	if d.tenant, err = d.connect(ctx, &d.cmd.tenantFlags, &d.cmd.paceFlags, d.observer); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	defer d.src.Close()
	d.ui.watch(d.progress)
	if err := d.tenant.RequireScopes(ctx, []string{"read:organization_members"}); err != nil {
		return err
	}
	if err := d.src.LookUp(ctx, d.tenant, &report.Journal{}); err != nil {
		return err
	}
	if d.all, err = d.src.Whole(); err != nil {
		return err
	}
	d.kept = indexes(d.all.Table().Kept, d.src.Table().Kept)
	d.failures = report.NewWriter(&d.rejected, nil, d.src.Table().Kept)
	if err := d.failures.WriteHeader(); err != nil {
		return err
	}
	// Nearly all of what is compared is in memory without pointers, so that collecting
	// garbage often takes little time.
	if d.setGCPercent != nil {
		defer d.setGCPercent(d.setGCPercent(10))
	}
	if d.result, err = d.comparison(ctx).Run(); errors.Is(err, diff.ErrChanged) || err == nil && d.src.Changed() {
		return &exitError{exitTemporary, fmt.Errorf("%s changed while it was being read", d.src.Name()), "run again when nothing writes to it any more"}
	}
	switch {
	case err != nil:
		return err
	case d.src.Piped && d.all.Table().Unended():
		return &exitError{exitTemporary, fmt.Errorf("the last line of %s has no line end: it may be cut off", d.src.Name()), "run again with all of it, and a line end"}
	case d.result.Unanswered > 0:
		return &exitError{exitTemporary, fmt.Errorf("the server gave no usable answer about %s", report.Plural(d.result.Unanswered, "row")), "try again later"}
	}
	return nil
}

// open opens the input.
func (d *differ) open(ctx context.Context) (err error) {
	dialect := d.cmd.dialect()
	dialect.Keys = true // rejected rows have theirs too
	d.src, err = job.Open(ctx, job.Config{
		Task: job.Task{ReadTwice: true}, Path: d.cmd.File, Stdin: d.stdin, Dialect: dialect, Lookups: d.cmd.sourceFlags().lookups(),
		Tenant: d.tenant.Host(), Results: d.beside(), Log: d.log,
	})
	if err != nil {
		return err
	}
	if d.src.Table().Results() {
		d.src.Close()
		return usagef("give the file with all members", "%s holds the results of an earlier run, which do not list all members", d.src.Name())
	}
	d.ui.showTenant(d.tenant.Host())
	d.log.Info(d.src.Name()+": "+d.src.Table().String(), d.ui.fields("file", d.src.Name())...)
	return nil
}

// beside returns the path of the file beside which a pipe is spooled; empty if there is
// none.
func (d *differ) beside() string {
	for _, path := range []string{d.cmd.Joiners, d.cmd.Leavers} {
		if path != "" && !files.IsStream(path) {
			return path
		}
	}
	return ""
}

func (d *differ) comparison(ctx context.Context) *diff.Comparison {
	var read *csvfile.Table // when the rows are read for the second time, by the first
	names := map[string]string{}
	if found := d.src.Findings().Directory; found != nil {
		names = found.OrgNames
	}
	return &diff.Comparison{
		Rows: func() iter.Seq2[importer.Row, error] {
			read = d.all.Table()
			return importer.Each(d.all.Rows(), func(*importer.Row) error { return context.Cause(ctx) })
		},
		Lists:       func(orgIDs []string) iter.Seq2[auth0.MemberPage, error] { return d.readLists(ctx, orgIDs) },
		OrgName:     func(id string) string { return names[id] },
		Carry:       slices.DeleteFunc(slices.Clone(d.kept), func(i int) bool { return isIDColumn(d.all.Table().Kept[i]) }),
		Unusual:     func(userID string) bool { return read.Unusual(userID) },
		Unconfirmed: d.cmd.Users != "",
		OnReject:    d.reject,
	}
}

// readLists yields the members of organizations.
func (d *differ) readLists(ctx context.Context, orgIDs []string) iter.Seq2[auth0.MemberPage, error] {
	return func(yield func(auth0.MemberPage, error) bool) {
		d.log.Info("reading the members of " + report.Plural(len(orgIDs), "organization"))
		l := &memberLists{began: time.Now(), orgs: len(orgIDs)}
		d.lists.Store(l)
		client, _ := d.tenant.Class()
		for page, err := range client.MemberPages(ctx, orgIDs, d.tenant.Workers(), auth0.FieldEmail, auth0.FieldName) {
			if list, ok := errors.AsType[*auth0.ListError](err); ok && list.Extent != auth0.Refused {
				err = &exitError{exitTemporary, list, "try again later"}
			}
			if !yield(page, err) || err != nil {
				return
			}
			if l.read.Add(int64(len(page.Members))); page.Last {
				l.done.Add(1)
			}
		}
	}
}

// progress returns how far the comparison is. The ui calls it from its own goroutine.
func (d *differ) progress() progress {
	p, looking := lookUpProgress(d.src)
	if l := d.lists.Load(); l != nil {
		p = progress{done: l.done.Load(), total: int64(l.orgs), elapsed: time.Since(l.began), pace: d.tenant.Latest()}
		p.words = fmt.Sprintf("%s of %s, %s", report.Number(int(p.done)), report.Plural(l.orgs, "organization"), report.Plural(int(l.read.Load()), "member"))
	} else if !looking {
		p = progress{elapsed: time.Since(d.summary.Started), words: "reading " + d.src.Name()}
		p.done, p.total, p.bytes = d.src.Progress()
	}
	p.waiting = d.waiting()
	return p
}

// reject notes a row that is not resolved.
func (d *differ) reject(o importer.Outcome) error {
	if d.first.Row.Line == 0 {
		d.first = o
	}
	if d.cmd.Failures == "" {
		return nil
	}
	kept := make([]string, len(d.kept))
	for i, k := range d.kept {
		kept[i] = o.Row.Kept[k]
	}
	o.Row.Kept = kept
	return d.failures.Write([]importer.Outcome{o})
}

// conclude adds up, and returns how the command ends.
func (d *differ) conclude() *exitError {
	r, s := d.result, &d.summary
	s.add(r)
	s.Tenant, s.Requests = d.tenant.Host(), d.tenant.State().Sent+d.src.Findings().Unlimited
	e := &exitError{code: exitDone}
	switch {
	case d.cmd.MaxLeavers != nil && float64(s.ToRemove) > math.Ceil(d.cmd.MaxLeavers.Of(s.Members)):
		e = &exitError{exitErrors, fmt.Errorf("%s of %s would leave, and --max-leavers is %s: nothing was written", report.Number(s.ToRemove), report.Plural(s.Members, "member"), d.cmd.MaxLeavers),
			"look at the file, and at --print; if they are to leave, give --max-leavers " + fmt.Sprint(s.ToRemove)}
	case s.InDoubt == 0:
	case float64(s.InDoubt) <= d.cmd.Tolerate.Of(s.Rows):
		s.Tolerated = s.InDoubt
		d.log.Warn(fmt.Sprintf("tolerated: %s rejected or in doubt, and --tolerate is %s", report.Plural(s.InDoubt, "row"), d.cmd.Tolerate))
	default:
		e.code = exitRows
	}
	if d.first.Row.Line > 0 {
		d.log.Warn(fmt.Sprintf("%s of %s not resolved, such as line %d: %s", report.Number(s.Rejected), report.Plural(s.Rows, "row"), d.first.Row.Line, report.Printable(d.first.Message)))
	}
	if s.Kept > 0 && d.cmd.Kept == "" {
		d.log.Warn(fmt.Sprintf("%s kept, because a row may mean them: --kept FILE says who and why", report.Plural(s.Kept, "member")))
	}
	s.ExitCode, s.Finished = e.code, time.Now().UTC()
	return e
}

// print prints what was asked for, and the numbers.
func (d *differ) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	if d.cmd.Print {
		for r := range d.result.Joiners.Records() {
			fmt.Fprintf(w, "+ %s %s\n", r[0], r[1])
		}
		for r := range d.result.Leavers.Records() {
			fmt.Fprintf(w, "- %s %s\n", r[0], r[2])
		}
	}
	if _, ok := out.(*tty); ok {
		d.printOrgs(w)
	}
	s := &d.summary
	fmt.Fprintf(w, "%s of %s: %s to add, %s to remove, %s kept\n", report.Plural(s.Members, "member"), report.Plural(s.Organizations, "organization"),
		report.Number(s.ToAdd), report.Number(s.ToRemove), report.Number(s.Kept))
	return w.Flush()
}

// printOrgs prints the largest organizations.
func (d *differ) printOrgs(out io.Writer) {
	const most = 10
	orgs := slices.Clone(d.result.Orgs)
	slices.SortStableFunc(orgs, func(a, b diff.Org) int { return b.Members - a.Members })
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, o := range orgs[:min(len(orgs), most)] {
		fmt.Fprintf(t, "%s\t%s:\t%s to add,\t%s to remove,\t%s kept\n", report.Printable(o.ID), report.Plural(o.Members, "member"),
			report.Number(o.Joiners), report.Number(o.Leavers), report.Number(o.Kept))
	}
	_ = t.Flush()
}

// outputs returns the files to write, and notes their paths in the summary.
func (d *differ) outputs() diffOutputs {
	cmd := d.cmd
	member := []string{"org_id", "org_name", "user_id", "email", "name"}
	all := diffOutputs{
		{files.Named("--joiners", cmd.Joiners), func(w io.Writer) error {
			header := []string{"org_id", "user_id"}
			for _, name := range d.src.Table().Kept {
				if !isIDColumn(name) {
					header = append(header, name)
				}
			}
			return d.result.Joiners.WriteCSV(w, header...)
		}},
		{files.Named("--leavers", cmd.Leavers), func(w io.Writer) error { return d.result.Leavers.WriteCSV(w, member...) }},
		{files.Named("--kept", cmd.Kept), func(w io.Writer) error {
			return d.result.Kept.WriteCSV(w, append(member, "line", "reason")...)
		}},
		{files.Named("--failures", cmd.Failures), func(w io.Writer) error {
			_, err := d.rejected.WriteTo(w)
			return err
		}},
		{files.Named("--summary", cmd.Summary), func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(d.summary)
		}},
	}
	given := all[:0]
	for _, o := range all {
		if o.Path != "" {
			given = append(given, o)
			d.summary.Files = append(d.summary.Files, o.Path)
		}
	}
	return given
}

// diffSummary is what a diff leaves for scripts. The names never change; new ones may
// be added.
type diffSummary struct {
	Tenant   string    `json:"tenant"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	ExitCode int       `json:"exit_code"`

	Rows      int `json:"rows"`
	Rejected  int `json:"rejected"`  // rows that could not be resolved
	InDoubt   int `json:"in_doubt"`  // these, and other rows for whose sake somebody is kept
	Tolerated int `json:"tolerated"` // rows in doubt, if only --tolerate made the exit code 0

	Organizations int `json:"organizations"`
	Members       int `json:"members"`
	ToAdd         int `json:"to_add"`
	ToRemove      int `json:"to_remove"`
	Kept          int `json:"kept"`

	Requests int      `json:"requests"`
	Files    []string `json:"files"` // the paths written
}

func (s *diffSummary) add(r *diff.Result) {
	s.Rows, s.Rejected, s.InDoubt = r.Rows, r.Rejected, r.Doubtful
	s.Organizations, s.Members = len(r.Orgs), r.Members
	s.ToAdd, s.ToRemove, s.Kept = r.Joiners.Len(), r.Leavers.Len(), r.Kept.Len()
}

// diffOutputs are the files that a diff writes, all of them or none.
type diffOutputs []diffOutput

type diffOutput struct {
	files.File
	write func(io.Writer) error
}

// isIDColumn reports whether a column is called as one of the two that begin the file
// of joiners.
func isIDColumn(name string) bool {
	name = strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
	return name == "orgid" || name == "userid"
}

// indexes returns where in all names the given ones are, which come in the same order.
func indexes(all, given []string) (found []int) {
	for i, name := range all {
		if len(found) < len(given) && name == given[len(found)] {
			found = append(found, i)
		}
	}
	return found
}

func (o diffOutputs) files() []files.File {
	all := make([]files.File, len(o))
	for i := range o {
		all[i] = o[i].File
	}
	return all
}

// remove removes the outputs, or what earlier diffs have left of them.
func (o diffOutputs) remove() (err error) {
	for _, out := range o {
		err = errors.Join(err, files.Remove(out.File))
	}
	return err
}

// write writes all outputs, or none.
func (o diffOutputs) write(ctx context.Context) error {
	for _, out := range o {
		if ctx.Err() != nil {
			break
		}
		if err := files.Replace(out.Path, 0o600, out.write); err != nil {
			return files.CantWrite(out.Path, errors.Join(err, o.remove()))
		}
	}
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), o.remove())
	}
	return nil
}
