package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
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
	File string `arg:"" help:"CSV file with a header, or - for standard input." placeholder:"FILE"`

	JSON  bool `help:"Print the plan as JSON." group:"output"`
	Check bool `help:"Ask the tenant whether the token is good and the organizations exist; takes credentials." group:"tenant"`

	Results   string `help:"What became of each row, for --resume." default:"${results}" placeholder:"FILE" group:"results"`
	Resume    bool   `help:"Plan what is left by the results file." group:"results"`
	Failures  string `help:"Write the rows that would be rejected: a valid input as it is." placeholder:"FILE" group:"results"`
	BatchSize int    `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace"`

	tenantFlags  `embed:""`
	dialectFlags `embed:""`
	paceFlags    `embed:""`
	uiFlags      `embed:""`
}

// Help is what orgimport plan --help says beside the flags.
func (planCmd) Help() string {
	return `Reads all of the file and sends nothing, so it takes no credentials; orgimport import --dry-run does the same. It ends with exit code 1 if rows would be rejected, and with --check also if organizations do not exist.

The times come from the limits that Auth0 publishes. No import can be faster, and most are slower: others use the tenant too, and bad rows cost requests.

--json prints one object: input, dialect, columns {org_id, user_id, kept}, rows = sendable + rejected + duplicates + settled, organizations, batches, batch_size, requests (at least), estimates [{plan, limit, seconds}], at_rate {rate, seconds} with --rate, notes (sentences about the file), largest [{org_id, rows}], rejects [{line, org_id, user_id, reason}] (the first ten), and with --check check {tenant, scope, asked, skipped, unknown [{org_id, rows}]}.`
}

// Validate is called by kong when all flags are read.
func (cmd *planCmd) Validate() error {
	return errors.Join(cmd.dialectFlags.Validate(), cmd.paceFlags.Validate(), validBatchSize(cmd.BatchSize))
}

// Run prints the plan.
func (cmd *planCmd) Run(c *console) error {
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	p := planner{console: c, planCmd: cmd, ui: c.openUI(cmd.uiFlags)}
	defer p.ui.Close()
	inputs := []file{{"the input", cmd.File}, {"the results file", cmd.Results}}
	if err := c.checkOutputs(inputs, []file{{"--failures", cmd.Failures}}); err != nil {
		return err
	}
	if cmd.Check {
		var err error
		if p.check, err = openCheck(ctx, c, cmd); err != nil {
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
	in    *input
	rows  atomic.Int64 // read so far
	since time.Time
}

func (p *planner) run(ctx context.Context) error {
	plan, err := p.survey(ctx)
	if err != nil {
		return err
	}
	if p.check != nil {
		if !p.JSON {
			if err := plan.print(p.stdout); err != nil {
				return err
			}
		}
		if plan.Check, err = p.check.run(ctx); err != nil {
			return err
		}
	}
	if err := p.print(plan); err != nil {
		return err
	}
	if plan.Rejected > 0 || plan.Check != nil && len(plan.Check.Unknown) > 0 {
		return errRows
	}
	return nil
}

// print prints what has not been printed yet.
func (p *planner) print(plan *plan) error {
	switch {
	case p.JSON:
		return plan.printJSON(p.stdout)
	case plan.Check != nil:
		return plan.Check.print(p.stdout)
	}
	return plan.print(p.stdout)
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
	p.since = time.Now()
	p.ui.watch(p.progress)
	defer p.ui.Close()
	table, err := csvfile.Open(p.in, p.dialect())
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	rows := importer.Distinct(p.counted(ctx, withIDs(table.Rows(), false)), importer.PairKey)
	if p.Resume {
		rows = settled(rows, done.Has)
	}
	if p.check != nil {
		rows = tally(ctx, rows, p.check.rows)
	}
	found, err := p.keepRejects(table.Kept, func(rejected func(importer.Row)) (importer.Plan, error) {
		return importer.Survey(rows, p.BatchSize, rejected)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return newPlan(p, table, found), nil
}

// before reads what an earlier run has finished, which is asked for by Resume.
func (p *planner) before() (*report.Journal, error) {
	if !p.Resume {
		return nil, nil
	}
	f, err := os.Open(p.Results)
	if errors.Is(err, fs.ErrNotExist) { // as import has it: it would simply start
		return &report.Journal{}, nil
	}
	if err != nil {
		return nil, usagef("", "can't read the results: %w", err)
	}
	defer f.Close()
	host := "" // of any tenant
	if p.Domain != "" {
		base, err := auth0.ParseDomain(p.Domain)
		if err != nil {
			return nil, usageError(fmt.Errorf("--domain: %w", err), "")
		}
		host = base.Host
	}
	done, err := report.Resume(f, io.Discard, new(auth0.Client).Import(), host, nil)
	if err != nil {
		return nil, resultsError(p.Results, err)
	}
	return done, nil
}

// counted counts the rows as they pass, and ends with ctx.
func (p *planner) counted(ctx context.Context, rows iter.Seq2[importer.Row, error]) iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for row, err := range rows {
			if ctx.Err() != nil {
				yield(importer.Row{}, context.Cause(ctx))
				return
			}
			p.rows.Add(1)
			if !yield(row, err) {
				return
			}
		}
	}
}

// settled marks the rows whose pair is in already, which an import would leave
// out.
func settled(rows iter.Seq2[importer.Row, error], in func(importer.Row) bool) iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for row, err := range rows {
			if err == nil && row.Err == nil && in(row) {
				row.Err = &importer.Settled{Status: importer.AlreadyMember, Message: "in already, by the results file"}
			}
			if !yield(row, err) {
				return
			}
		}
	}
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
		return found, cantWrite(p.Failures, err, "see that there is room and that the folder can be written")
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
	now := progress{done: p.in.read.Load(), bytes: true, elapsed: time.Since(p.since), words: fmt.Sprintf("%d rows", p.rows.Load())}
	if p.in.info != nil {
		now.total = p.in.info.Size()
	}
	return now
}
