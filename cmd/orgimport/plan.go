package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// planCmd says what an import would do, and sends nothing.
type planCmd struct {
	File string `arg:"" help:"A CSV file with a header, or - for standard input." placeholder:"FILE"`

	JSON  bool `help:"Print the plan as JSON." group:"output"`
	Check bool `help:"Ask the tenant what the import would look up: whether the token is good and the organizations exist. Needs credentials." group:"output"`

	Results   string `help:"Results file, for --resume." default:"${results}" placeholder:"FILE" group:"results"`
	Resume    bool   `help:"Plan what the results file leaves to do." group:"results"`
	Failures  string `help:"File for the rows that would be rejected; it can be an input as it is." placeholder:"FILE" group:"results"`
	Resolved  string `help:"With --check, file for the rows with the ids that were found; it can be an input." placeholder:"FILE" group:"results"`
	BatchSize int    `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace"`
	NoGuard   bool   `help:"Do not stop when the tenant has none of 100 or more keys." group:"look-ups"`

	SkipMembers  bool `help:"Look up who is a member already: they cost no write." group:"look-ups"`
	lookupFlags  `embed:""`
	tenantFlags  `embed:""`
	dialectFlags `embed:""`
	paceFlags    `embed:""`
	uiFlags      `embed:""`
}

// Help is what orgimport plan --help says beside the flags.
func (planCmd) Help() string {
	return `Reads the whole file and sends nothing, so it needs no credentials; orgimport import --dry-run does the same. It ends with exit code 1 if rows would be rejected, and with --check also if organizations do not exist. Without --check, rows that an import looks up count as good.

Examples:

    orgimport plan members.csv
    orgimport plan members.csv --check --resolved resolved.csv

The times follow from the limits that Auth0 publishes. No import can be faster, and most are slower: others use the tenant too, and bad rows cost requests.

--json prints one object: input, dialect, columns {org_id, user_id, kept}, rows = sendable + rejected + duplicates + settled, organizations, batches, batch_size, requests (at least), estimates [{plan, limit, seconds}], at_rate {rate, seconds} with --rate, notes (sentences about the file), largest [{org_id, rows}], rejects [{line, org_id, user_id, reason}] (the first ten), and with --check check {tenant, scope, asked, skipped, unknown [{org_id, rows}], keys [{of, kind, keys, found}], unresolved [{error_code, rows, examples [{line, reason}]}], members, look_ups [{phase, requests, seconds}], reads, writes_saved}.`
}

// Validate is called by kong when all flags are read.
func (cmd *planCmd) Validate() error {
	if cmd.Resolved != "" && !cmd.Check {
		return errors.New("--resolved needs --check")
	}
	return errors.Join(cmd.dialectFlags.Validate(), cmd.lookupFlags.Validate(), cmd.paceFlags.Validate(), validBatchSize(cmd.BatchSize))
}

// Run prints the plan.
func (cmd *planCmd) Run(c *console) error {
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	p := planner{console: c, planCmd: cmd, ui: c.openUI(cmd.uiFlags)}
	p.look = lookups{lookupFlags: cmd.lookupFlags, skipMembers: cmd.SkipMembers, checkOrgs: true, noGuard: cmd.NoGuard}
	if !cmd.Check { // nothing but what the results file tells
		p.look = lookups{}
	}
	defer p.ui.Close()
	inputs := []file{{"the input", cmd.File}, {"the results file", cmd.Results}, {"--users", cmd.Users}}
	if err := c.checkOutputs(inputs, []file{{"--failures", cmd.Failures}, {"--resolved", cmd.Resolved}}); err != nil {
		return err
	}
	if cmd.Check {
		var err error
		if p.check, err = openCheck(ctx, c, cmd, p.ui.log); err != nil {
			return err
		}
	}
	return p.run(ctx)
}

// plan is what import --dry-run does.
func (cmd *importCmd) plan() *planCmd {
	return &planCmd{
		File: cmd.File, Results: cmd.Results, Resume: cmd.Resume, Failures: cmd.Failures, BatchSize: cmd.BatchSize,
		tenantFlags: cmd.tenantFlags, dialectFlags: cmd.dialectFlags, paceFlags: cmd.paceFlags, uiFlags: cmd.uiFlags,
	}
}

// planner makes a plan.
type planner struct {
	*console
	*planCmd
	ui    *ui
	check *check // nil: the tenant is not asked
	look  lookups
	in    *input
	rows  atomic.Int64 // read so far
	total atomic.Int64 // rows, once they are known
	since time.Time
}

func (p *planner) run(ctx context.Context) error {
	plan, err := p.survey(ctx)
	if err != nil {
		return err
	}
	if p.JSON {
		err = plan.printJSON(p.stdout)
	} else {
		err = plan.print(p.stdout)
	}
	if err != nil {
		return err
	}
	if plan.Rejected > 0 || plan.Check != nil && len(plan.Check.Unknown) > 0 {
		return errRows
	}
	return nil
}

// survey reads all of the input.
func (p *planner) survey(ctx context.Context) (*plan, error) {
	done, err := p.before()
	if err != nil {
		return nil, err
	}
	p.in, err = openInput(ctx, p.console, p.File)
	if err != nil {
		return nil, err
	}
	defer p.in.Close()
	if p.Resume {
		p.look.isIn = done.Done
	}
	p.since = time.Now()
	p.ui.watch(p.progress)
	defer p.ui.Close()
	table, err := p.open(ctx)
	if err != nil {
		return nil, stoppedOr(ctx, err)
	}
	rows := importer.Each(p.resolved(table), func(*importer.Row) error {
		p.rows.Add(1)
		return context.Cause(ctx)
	})
	rows = importer.Distinct(rows, importer.PairKey)
	if p.Resume {
		rows = settled(rows, done.Has)
	}
	if p.check != nil {
		rows = p.check.count(rows)
	}
	found, err := p.keepRejects(table.Kept, func(rejected func(importer.Row)) (importer.Plan, error) {
		return importer.Survey(rows, p.BatchSize, rejected)
	})
	if err == nil {
		err = p.writeResolved(ctx)
	}
	if err != nil {
		return nil, stoppedOr(ctx, err)
	}
	plan := newPlan(p, table, found)
	if p.check != nil {
		plan.Check = p.check.conclude(&p.look, &found)
	}
	return plan, nil
}

// open opens the input, once what it names has been looked up.
func (p *planner) open(ctx context.Context) (*csvfile.Table, error) {
	p.in.remember()
	table, err := csvfile.Open(p.in, p.dialect())
	if err != nil {
		return nil, err
	}
	if table, err = p.look.prepare(ctx, p.in, p.Results, table, p.again); err != nil {
		return nil, err
	}
	p.total.Store(int64(p.look.rows))
	if p.Resume {
		if err := p.look.settle(ctx, p.Results, p.dialect()); err != nil {
			return nil, err
		}
	}
	if p.check != nil {
		err = p.check.lookUp(ctx, &p.look, p.again)
	}
	return table, err
}

// dialect says how the input is read.
func (p *planner) dialect() csvfile.Dialect {
	d := p.dialectFlags.dialect()
	d.KeepKeys = p.look.keys
	host, _ := hostOf(p.Domain) // whoever asks the tenant says what is wrong with it
	d.Settled = settledIn(host)
	return d
}

// again opens the input from its start.
func (p *planner) again() (*csvfile.Table, error) { return csvfile.Open(p.in.again(), p.dialect()) }

// resolved returns the rows with what is known of them. Of those that would be
// looked up the keys stand for the ids, if they have not been.
func (p *planner) resolved(table *csvfile.Table) rowSeq {
	rows := importer.Resolve(table.Rows(), p.look.dir)
	if p.check != nil {
		return rows
	}
	return named(undecided(rows))
}

// undecided takes rows that name nobody known for good ones.
func undecided(rows rowSeq) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		if unresolved := (*importer.Unresolved)(nil); errors.As(row.Err, &unresolved) {
			row.Err = nil
		}
		return nil
	})
}

// writeResolved writes the input with the ids that were found, if that is asked
// for. A row without keeps what it names its organization or user by.
func (p *planner) writeResolved(ctx context.Context) error {
	if p.Resolved == "" {
		return nil
	}
	if err := p.in.spool(p.Results); err != nil { // an empty file may not have been
		return err
	}
	d := p.dialect()
	d.Keep = true
	table, err := csvfile.Open(p.in.again(), d)
	if err != nil {
		return err
	}
	var broken error
	err = replaceFile(p.Resolved, 0o600, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write(append([]string{"org_id", "user_id"}, table.Kept...)); err != nil {
			return err
		}
		for row, err := range importer.Resolve(table.Rows(), p.look.dir) {
			if err != nil || ctx.Err() != nil {
				broken = stoppedOr(ctx, err)
				return broken
			}
			if isUnreadable(row.Err) {
				row.OrgID, row.UserID = "", "" // it must not become a row that can be sent
			}
			if err := out.Write(append([]string{row.OrgID, row.UserID}, row.Kept...)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil && broken == nil {
		return cantWrite(p.Resolved, err, "make room, and make sure that the folder is writable")
	}
	return err
}

// isUnreadable reports whether a row is rejected for what it is, and not for what
// the tenant has.
func isUnreadable(err error) bool {
	var settled *importer.Settled
	var unresolved *importer.Unresolved
	return err != nil && !errors.As(err, &settled) && !errors.As(err, &unresolved)
}

// before reads what an earlier run has finished, which is asked for by Resume.
func (p *planner) before() (*report.Journal, error) {
	if !p.Resume {
		return nil, nil
	}
	return readJournal(p.Results, p.Domain, new(auth0.Client).Import())
}

// readJournal reads what an earlier run of an operation has finished. Without a
// domain, the results are of any tenant.
func readJournal(path, domain string, op importer.Op) (*report.Journal, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // as a run has it: it would simply start
		return &report.Journal{}, nil
	}
	if err != nil {
		return nil, usagef("", "can't read the results: %w", err)
	}
	defer f.Close()
	host, err := hostOf(domain)
	if err != nil {
		return nil, err
	}
	done, err := report.Resume(f, io.Discard, op, host, nil)
	if err != nil {
		return nil, resultsError(path, err)
	}
	return done, nil
}

// hostOf returns the host of a tenant; none of no domain.
func hostOf(domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	base, err := auth0.ParseDomain(domain)
	if err != nil {
		return "", usageError(fmt.Errorf("--domain: %w", err), "")
	}
	return base.Host, nil
}

// settled marks the rows whose pair is in already, which an import would leave
// out.
func settled(rows rowSeq, in func(importer.Row) bool) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		if in(*row) {
			row.Err = &importer.Settled{Status: importer.AlreadyMember, Message: "in already, by the results file"}
		}
	})
}

// keepRejects has survey done, and writes the rows it rejects to the file of
// failures if there is to be one.
func (p *planner) keepRejects(kept []string, survey func(rejected func(importer.Row)) (importer.Plan, error)) (found importer.Plan, err error) {
	if p.Failures == "" {
		return survey(nil)
	}
	err = replaceFile(p.Failures, 0o600, func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		rejects := report.NewWriter(buffered, nil, kept)
		if err := rejects.WriteHeader(); err != nil {
			return err
		}
		var broken error
		found, err = survey(func(row importer.Row) {
			broken = rejects.Write([]importer.Outcome{rejection(row)})
		})
		return cmp.Or(err, broken, buffered.Flush())
	})
	var input *csvfile.InputError
	if err != nil && !errors.As(err, &input) {
		return found, cantWrite(p.Failures, err, "make room, and make sure that the folder is writable")
	}
	return found, err
}

func rejection(row importer.Row) importer.Outcome {
	o := importer.Outcome{Row: row, Status: importer.Rejected, Receipt: importer.Receipt{Message: row.Err.Error(), Time: time.Now()}}
	var coded interface{ Code() string }
	if errors.As(row.Err, &coded) {
		o.Code = coded.Code()
	}
	return o
}

// progress is asked for by the ui, from its own goroutine.
func (p *planner) progress() progress {
	if look, looking := p.look.progress(); looking {
		look.waiting = p.check.waiting()
		return look
	}
	if total := p.total.Load(); total > 0 {
		return progress{done: p.rows.Load(), total: total, elapsed: time.Since(p.since), words: report.Plural(int(p.rows.Load()), "row")}
	}
	now := progress{done: p.in.read.Load(), bytes: true, elapsed: time.Since(p.since), words: report.Plural(int(p.rows.Load()), "row")}
	if p.in.info != nil {
		now.total = p.in.info.Size()
	}
	return now
}
