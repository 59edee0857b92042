package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// surveyed opens the input for a job that sends nothing, and returns its rows as
// they would be sent. If check is not nil, the rows are looked up. Otherwise their
// keys are used as ids, and no request is sent.
func (j *job) surveyed(ctx context.Context, check *finding) (rows rowSeq, err error) {
	j.op = j.newOp(j, &auth0.Client{})
	if j.look.checkOrgs = check != nil; check == nil {
		j.look = lookups{keepUsers: j.byAddress}
	}
	done := &report.Journal{}
	if j.Resume {
		if done, err = readJournal(j.Results, j.Domain, j.op); err != nil {
			return nil, err
		}
		j.look.isDone = done.Done
	}
	if j.in, err = files.Open(ctx, j.file, j.stdin); err != nil {
		return nil, err
	}
	j.closing = append(j.closing, func() { _ = j.in.Close() })
	j.ui.watch(j.surveyProgress)
	if err := j.openTable(ctx); err != nil {
		return nil, err
	}
	if err := j.collect(ctx); err != nil {
		return nil, err
	}
	if j.Resume {
		if err := j.look.reuseIDs(ctx, j.in, j.Results, j.dialect()); err != nil {
			return nil, err
		}
	}
	if check != nil {
		if err := j.findForCheck(ctx); err != nil {
			return nil, err
		}
	}
	rows = importer.Resolve(j.table.Rows(), j.look.dir)
	if check == nil {
		rows = importer.Each(rows, keysAsIDs)
	}
	if j.rows != nil {
		rows = j.rows(j, rows)
	}
	rows = importer.Each(rows, func(*importer.Row) error {
		j.done.Add(1)
		return context.Cause(ctx)
	})
	rows = importer.Distinct(rows, j.op.KeyOf)
	if j.Resume {
		rows = markDone(rows, done.Has)
	}
	if check != nil {
		rows = j.checked(rows, check)
	}
	return rows, nil
}

// keysAsIDs uses the keys of a row as the ids that it lacks, and accepts a row
// that could not be resolved.
func keysAsIDs(row *importer.Row) error {
	if isUnresolved(*row) {
		row.Err = nil
	}
	if row.Keys != nil {
		row.OrgID = cmp.Or(row.OrgID, row.Keys.Org.Value)
		row.UserID = cmp.Or(row.UserID, row.Keys.User.Value)
	}
	return nil
}

// readJournal reads what earlier runs of an operation have finished. If the domain
// is empty, the results may be of any tenant.
func readJournal(path, domain string, op importer.Op) (*report.Journal, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // a run would then simply start
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
	text, err := openToContinue(f)
	if err != nil {
		return nil, err
	}
	done, err := report.Resume(text, io.Discard, op, host, nil)
	if err != nil {
		return nil, resultsError(path, err)
	}
	return done, nil
}

// markDone marks the rows that are done as settled. An import would skip them.
func markDone(rows rowSeq, done func(importer.Row) bool) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		if done(*row) {
			row.Err = &importer.Decided{Status: importer.AlreadyMember, Message: "done already, according to the results file"}
		}
	})
}

// surveyProgress returns how far the survey is. The ui calls it from its own
// goroutine.
func (j *job) surveyProgress() progress {
	if look, looking := j.look.progress(); looking {
		look.waiting = j.waiting()
		return look
	}
	p := progress{done: j.done.Load(), total: j.total.Load(), elapsed: time.Since(j.summary.Started)}
	p.words = report.Plural(int(p.done), "row")
	if p.total == 0 {
		p.bytes = true
		p.done, p.total = j.in.Progress()
	}
	return p
}
