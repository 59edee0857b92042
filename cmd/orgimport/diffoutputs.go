package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/diff"
	"orgimport/cmd/orgimport/internal/files"
)

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

func (o diffOutputs) prove() error {
	for _, out := range o {
		if err := files.CheckWritable(out.File); err != nil {
			return err
		}
	}
	return nil
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
