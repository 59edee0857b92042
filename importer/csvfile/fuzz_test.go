package csvfile_test

import (
	"cmp"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// Whatever the bytes: nothing panics, an error is an InputError with a text,
// lines go up, a row that is to be sent has ids that can be sent, and a
// rejected one says why.
func FuzzTable(f *testing.F) {
	for _, s := range []string{
		"",
		plainFile,
		"\uFEFF\"org_id\";\"user_id\"\r\norg_a;auth0|1\r\n",
		"sep=\t\nuser\torg\tnote\nu1\torg_a\t\"x\n\ny\"\n",
		"org_id,user_id\rorg_a,\"u1\rorg_b,u2\r",
		"org_id,user_id,\norg_a,u1\norg_b,u2,,,\norg_c\n",
		"org_id,user_id\norg_a,\"u1\norg_b,u\"2\norg_c,\"u\n3\"\n",
		"user_id,org_id,note\nu1,org_a,\xFF\n\x00\n",
		resultsHeader + ",x\n2,org_a,u1,added,204,,,1,c,t,y\n3,org_a,u2,failed,400,e,m,1,c,t,z\n4,org",
		utf16le("\uFEFF" + plainFile), utf16be(plainFile),
		gzipped(plainFile), gzipped(plainFile)[:30], zstandard(plainFile),
		"PK\x03\x04", "<html>", "{}", "org_id,user_id\nauth0|1,org_a\n",
	} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(0xFF))
	}
	f.Fuzz(func(t *testing.T, data string, options uint8) {
		d := anyOptions(options)
		table, err := csvfile.Open(strings.NewReader(data), d)
		if err != nil {
			checkInputError(t, err)
			return
		}
		if table.String() == "" {
			t.Error("String is empty")
		}
		lines := []int{0}
		for row, err := range table.Rows() {
			if err != nil {
				checkInputError(t, err)
				return
			}
			if row.Line <= lines[len(lines)-1] {
				t.Fatalf("line %d after line %d", row.Line, lines[len(lines)-1])
			}
			if len(row.Kept) != len(table.Kept) {
				t.Fatalf("row %#v, kept columns %q", row, table.Kept)
			}
			lines = append(lines, row.Line)
			checkRow(t, row)
		}
	})
}

// anyOptions makes a dialect of the bits of options.
func anyOptions(options uint8) csvfile.Dialect {
	d := csvfile.Dialect{
		Keep:      options&1 != 0,
		Delimiter: []rune{0, ',', ';', '|'}[options>>1&3],
		Encoding:  []string{"", "utf-8", "utf-16", "windows-1252"}[options>>3&3],
	}
	if options&0x20 != 0 {
		d.OrgID = "org_x"
	}
	if options&0x40 != 0 {
		d.UserColumn = "note"
	}
	return d
}

func checkInputError(t *testing.T, err error) {
	t.Helper()
	var input *csvfile.InputError
	if !errors.As(err, &input) || input.Error() == "" || strings.Contains(input.Error(), "\n") {
		t.Fatalf("%T: %q", err, err)
	}
}

func checkRow(t *testing.T, row importer.Row) {
	t.Helper()
	if !utf8.ValidString(row.OrgID) || !utf8.ValidString(row.UserID) {
		t.Fatalf("not UTF-8: %#v", row)
	}
	if row.Err != nil {
		if row.Err.Error() == "" {
			t.Fatalf("rejected without a reason: %#v", row)
		}
		return
	}
	org, user := row.OrgID, row.UserID
	if row.Keys != nil {
		org, user = cmp.Or(org, row.Keys.Org.Value), cmp.Or(user, row.Keys.User.Value)
	}
	for _, value := range []string{org, user} {
		if value == "" || visible(value) != value || strings.ContainsFunc(value, unicode.IsControl) {
			t.Fatalf("to be sent: %#v", row)
		}
	}
	if strings.ContainsFunc(row.OrgID, unicode.IsSpace) || row.OrgID == "." || row.OrgID == ".." || utf8.RuneCountInString(row.OrgID) > 50 {
		t.Fatalf("to be sent: %#v", row)
	}
}

// A pair of ids comes back whatever dialect it is written in.
func FuzzDialect(f *testing.F) {
	f.Add("org_a", "auth0|1", "x", uint16(0))
	f.Add("org_b", "waad|a;b,c\t\"d\"", "a\nb", uint16(0xFFFF))
	f.Add("組織", "会員 1", "é", uint16(0x1234))
	f.Fuzz(func(t *testing.T, orgID, userID, note string, choice uint16) {
		w := writerOf(choice)
		orgID, userID = strings.TrimSpace(orgID), strings.TrimSpace(userID)
		if !isSendable(orgID, 50) || strings.ContainsFunc(orgID, unicode.IsSpace) ||
			!isSendable(userID, 1024) || strings.HasPrefix(userID, "org_") ||
			w.Delimiter == "|" && !strings.Contains(userID, "|") { // it may be the begin of an id
			t.Skip()
		}
		if !utf8.ValidString(note) || strings.ContainsAny(note, "\r\x00") {
			t.Skip()
		}
		w.record("org_id", "note", "user_id")
		w.record(orgID, note, userID)
		line := w.record(orgID, "", userID)
		if w.Sep {
			line++
		}
		table, err := csvfile.Open(strings.NewReader(w.file()), w.dialect())
		if err != nil {
			t.Fatal(err)
		}
		var last importer.Row
		for row, err := range table.Rows() {
			if err != nil || row.Err != nil || row.OrgID != orgID || row.UserID != userID {
				t.Fatalf("%#v: %v", row, err)
			}
			last = row
		}
		if last.Line != line {
			t.Fatalf("the last row is on line %d, want %d", last.Line, line)
		}
	})
}

func writerOf(choice uint16) *writer {
	take := func(n uint16) int {
		defer func() { choice /= n }()
		return int(choice % n)
	}
	return &writer{
		Delimiter:   []string{",", ";", "\t", "|"}[take(4)],
		LineEnd:     []string{"\n", "\r\n", "\r"}[take(3)],
		Encoding:    []string{"utf-8", "utf-16le", "utf-16be"}[take(3)],
		Mark:        take(2) == 0,
		Sep:         take(2) == 0,
		Compression: []string{"", "gzip", "gzip in two members", "zstd"}[take(4)],
		QuoteAll:    take(2) == 0,
		NoLastEnd:   take(2) == 0,
	}
}

// isSendable reports whether a value is an id that is meant literally, and that a
// tenant could hold. At its ends are letters and digits: quotes, signs of
// formulas and of comments are not always part of an id.
func isSendable(id string, longest int) bool {
	r, _ := utf8.DecodeRuneInString(id)
	last, _ := utf8.DecodeLastRuneInString(id)
	return isWordy(r) && isWordy(last) && utf8.ValidString(id) && utf8.RuneCountInString(id) <= longest &&
		!strings.EqualFold(id, "org_id") && !strings.EqualFold(id, "user_id") &&
		strings.IndexFunc(id, func(r rune) bool { return r == utf8.RuneError || r >= 0x2400 && r <= 0x2426 || !unicode.IsPrint(r) }) < 0
}

func isWordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
