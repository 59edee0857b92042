package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// dialectFlags say how to read the input. What they leave open is detected.
type dialectFlags struct {
	OrgColumn   string `help:"Header of the column with the organization (default: org_id, organization_id, org, organization, org_name or organization_name)." placeholder:"NAME" group:"input"`
	UserColumn  string `help:"Header of the column with the user (default: user_id, userid, sub, user, email, mail, user_email or email_address)." placeholder:"NAME" group:"input"`
	Org         string `help:"Organization of every row, by id or name, for a file that has only users." placeholder:"ORG" group:"input"`
	OrgBy       string `help:"What the organization column holds: org_id, name, display_name or metadata.KEY (default: what its header says)." placeholder:"KEY" group:"input"`
	UserBy      string `help:"What the user column holds: user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH (default: what its header says)." placeholder:"KEY" group:"input"`
	Connection  string `help:"Connection to look users up in if a row does not name them by id; a column named connection takes precedence." placeholder:"NAME" group:"input"`
	Delimiter   string `help:"Column separator: a comma, ; | or tab, or auto to detect it." default:"auto" placeholder:"CHAR" group:"input"`
	Encoding    string `help:"Encoding of the file: utf-8, utf-16, utf-16le, utf-16be, windows-1252, or auto to detect it." enum:"auto,utf-8,utf-16,utf-16le,utf-16be,windows-1252" default:"auto" placeholder:"NAME" group:"input"`
	KeepColumns bool   `help:"Copy the other columns to the results." group:"input"`
}

// Validate is called by kong when all flags are read.
func (d *dialectFlags) Validate() error {
	if _, ok := delimiters[d.Delimiter]; !ok {
		return errors.New(`--delimiter must be auto, "," ";" "|" or tab`)
	}
	if d.Org != "" && d.OrgColumn != "" {
		return errors.New("--org and --org-column can't be used together")
	}
	if !knownKey(d.OrgBy, []string{"org_id", "name", "display_name"}, "metadata.") {
		return errors.New("--org-by must be org_id, name, display_name or metadata.KEY")
	}
	if !knownKey(d.UserBy, []string{"user_id", "email", "username", "phone_number"}, "app_metadata.", "user_metadata.") {
		return errors.New("--user-by must be user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH")
	}
	return nil
}

// knownKey reports whether key is empty, one of keys, or one of prefixes followed
// by a path.
func knownKey(key string, keys []string, prefixes ...string) bool {
	return key == "" || slices.Contains(keys, key) || slices.ContainsFunc(prefixes, func(prefix string) bool {
		return strings.HasPrefix(key, prefix) && len(key) > len(prefix)
	})
}

var delimiters = map[string]rune{"auto": 0, ",": ',', ";": ';', "|": '|', "\t": '\t', "tab": '\t', `\t`: '\t'}

func (d *dialectFlags) dialect() csvfile.Dialect {
	encoding := d.Encoding
	if encoding == "auto" {
		encoding = ""
	}
	return csvfile.Dialect{
		Delimiter:  delimiters[d.Delimiter],
		Encoding:   encoding,
		OrgColumn:  d.OrgColumn,
		UserColumn: d.UserColumn,
		OrgID:      d.Org,
		OrgBy:      d.OrgBy,
		UserBy:     d.UserBy,
		Connection: d.Connection,
		Keep:       d.KeepColumns,
	}
}

// withIDs rejects the rows that name their organization or user by something
// other than an id and were not looked up.
func withIDs(rows rowSeq, byAddress bool) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		if row.Keys != nil && (row.OrgID == "" || !byAddress) {
			row.Err = errors.New("the row has no id for its organization or its user, and nothing is looked up")
		}
	})
}

// scan reads a regular file to its end before its rows are sent, and calls each
// with every row that prepared returns. It returns the number of rows, and the
// notes about the file. It returns nothing for a pipe, or if ctx ends.
func scan(ctx context.Context, in *files.Input, d csvfile.Dialect, prepared func(*csvfile.Table) rowSeq, each func(importer.Row)) (rows int64, notes []csvfile.Note) {
	if !in.IsFile() {
		return 0, nil
	}
	table, err := csvfile.Open(in.Again(), d)
	if err != nil {
		return 0, nil
	}
	for row, err := range prepared(table) {
		if err != nil || ctx.Err() != nil {
			return 0, nil // the run reports the error when it gets there
		}
		rows++
		each(row)
	}
	return rows, table.Notes()
}
