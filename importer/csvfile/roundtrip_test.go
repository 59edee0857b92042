package csvfile_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// Any table in any dialect comes back whole, each row with the line it starts
// on.
func TestTableReadsBackWhateverIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyDialect(t)
		extra := rapid.SliceOfN(rapid.SampledFrom([]string{"name", "phone", "full\nname", "a;b,c|d\te", "name"}), 0, 4).Draw(t, "columns")
		org := rapid.IntRange(0, len(extra)).Draw(t, "org column")
		user := rapid.IntRange(0, len(extra)+1).Draw(t, "user column")
		place := func(orgID, userID string, others []string) []string {
			return slices.Insert(slices.Insert(slices.Clone(others), org, orgID), user, userID)
		}
		empty := slices.Repeat([]string{""}, rapid.IntRange(0, 2).Draw(t, "empty columns"))
		if len(empty) > 0 && w.Delimiter == "\t" && !w.QuoteAll {
			empty = nil // white space at a line's end would be nothing
		}

		w.record(append(place("Org ID", "user_id", extra), empty...)...)
		var want []importer.Row
		for range rapid.IntRange(0, 8).Draw(t, "rows") {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "blank lines") {
				w.blank(rapid.SampledFrom([]string{"", " ", "  "}).Draw(t, "spaces"))
			}
			row := importer.Row{OrgID: anyOrgID.Draw(t, "org"), UserID: anyUserID.Draw(t, "user"), Kept: []string{}}
			var others []string
			for range extra {
				value := anyValue.Draw(t, "value")
				others = append(others, value)
				row.Kept = append(row.Kept, strings.TrimSpace(value))
			}
			more := empty[:rapid.IntRange(0, len(empty)).Draw(t, "empty values")]
			row.Line = w.record(append(place(row.OrgID, row.UserID, others), more...)...)
			if w.Sep {
				row.Line++
			}
			want = append(want, row)
		}

		var r io.Reader = strings.NewReader(w.file())
		if rapid.Bool().Draw(t, "in pieces") {
			r = iotest.HalfReader(r)
		}
		table, err := csvfile.Open(r, w.dialect())
		if err != nil {
			t.Fatalf("%v\n%q", err, w.text.String())
		}
		for row, err := range table.Rows() {
			if err != nil || row.Err != nil {
				t.Fatalf("%v: %v\n%q", row, err, w.text.String())
			}
			if len(want) == 0 {
				t.Fatalf("%v, but no row is left\n%q", row, w.text.String())
			}
			if row.OrgID != want[0].OrgID || row.UserID != want[0].UserID ||
				row.Line != want[0].Line || !slices.Equal(row.Kept, want[0].Kept) {
				t.Fatalf("got  %#v\nwant %#v\n%q", row, want[0], w.text.String())
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Fatalf("%v did not come\n%q", want, w.text.String())
		}
	})
}

func anyDialect(t *rapid.T) *writer {
	return &writer{
		Delimiter:   rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter"),
		LineEnd:     rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "line end"),
		Encoding:    rapid.SampledFrom([]string{"utf-8", "utf-16le", "utf-16be"}).Draw(t, "encoding"),
		Mark:        rapid.Bool().Draw(t, "byte order mark"),
		Sep:         rapid.Bool().Draw(t, "sep line"),
		Compression: rapid.SampledFrom([]string{"", "", "", "gzip", "gzip in two members", "zstd"}).Draw(t, "compression"),
		QuoteAll:    rapid.Bool().Draw(t, "quote all"),
		NoLastEnd:   rapid.Bool().Draw(t, "no last line end"),
	}
}

var (
	anyOrgID  = rapid.StringMatching(`[a-zA-Z0-9,;|"ü組%/.][a-zA-Z0-9,;|"'ü組%/.]{2,19}`) // an apostrophe in front of all of a column is Auth0's, not theirs
	anyUserID = rapid.StringMatching(`[a-z0-9"ü組][a-zA-Z0-9 ,;|"'ü組%/.@\\+=-]{0,20}[a-z0-9|"]`)
	anyValue  = rapid.StringMatching(`[a-z ,;|"'ü組\t\n]{0,12}`)
)
