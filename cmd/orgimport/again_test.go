package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// Everything that is sent is in the file, and everything that is sent from its
// failures and results would have been sent from the file itself: with the flags of
// the first import or without them, and after a spreadsheet has saved the files.
func FuzzFailuresAreAnInput(f *testing.F) {
	for _, data := range []string{
		"org_id,user_id\norg_a,auth0|1\norg_a,samlp|acme|CN=Ada,OU=Eng\norg_b,auth0|2\n",
		"org_id,user_id,note\norg_a,samlp|acme|CN=Ada,OU=Eng,\n",
		"org_id|user_id\norg_a|auth0|1\norg_a|google-oauth2|2\n",
		"org_id|user_id|note\norg_a|auth0|1\n",
		"org_id,user_id\norg_a,auth0|1\x00\norg_a,au\x00th0|2\norg_a,\"=\"\"auth0|3\"\"\"\norg_a,=HYPERLINK(\"x\")\n",
		"org_id,user_id\norg_a,auth0\u200b|1\norg_a,J\xFCrgen\norg_a,'auth0|1\nauth0|1,org_b\n",
		"org_id;email;note\norg_a;ann@example.com;x\norg_b;b\x01b@example.com;\"y\n",
		"organization,email,connection\nacme,Ann@example.com,db\n,bob@example.com,\nacme,\u200b,db\n",
		"'org_id','user_id'\n'org_a','auth0|1'\n",
		"org_id,user_id\n'org_a,'auth0|1\n'org_b,'auth0|O'Neal\n",
		"#TYPE x\norg_id,user_id\n#N/A,auth0|1\n# a, b\n----,----\norg_id,user_id\nuser_id,org_id\n",
		"\uFEFForg_id\tuser_id\r\norg_a\t\\N\r\norg_b\tauth0|1\r\n\\.\r\n\x1A",
		"org_id,user_id\n" + strings.Repeat("o", 51) + ",auth0|1\norg_a," + strings.Repeat("u", 1025) + "\n",
		strings.Join(resultsColumns, ",") + ",email\n2,org_a,auth0|1,rejected,,row_unreadable,x,0,,,\n3,,,rejected,,user_not_found,x,0,,,a@b.c\n",
	} {
		for _, options := range []uint16{0, 0x11F, 0xFFFF} {
			f.Add([]byte(data), options)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, options uint16) {
		d := csvfile.Dialect{
			Delimiter: []rune{0, 0, ';', '|'}[options&3],
			Encoding:  []string{"", "", "utf-16", "windows-1252"}[options>>2&3],
			Keep:      options>>4&1 != 0,
		}
		if options>>5&1 != 0 {
			d.UserColumn = "note"
		}
		if options>>6&3 == 3 {
			d.OrgID = "org_x"
		}
		checkAgain(t, data, d)
	})
}

// The same for files like those that caused errors somewhere.
func TestFailuresAreAnInput(t *testing.T) {
	cells := []string{
		"org_a", "org_b", "acme", "auth0|1", "auth0|2", "samlp|acme|CN=Ada,OU=Eng", "google-oauth2|3", "ann@example.com", "Bob@Example.com",
		"", " ", "x", "db", "42", "NULL", `\\N`, "----", "(2 rows affected)", "# a comment", "#N/A", "'auth0|4", "'org_a", "‘auth0|5’", "auth0|O'Neal",
		`="org_a"`, `="auth0|6"`, `"=""auth0|7"""`, "=A1", "=1+1", "+49 151", "@x", "auth0|8\u200b", "auth\u00ad0|9", "\ufefforg_a", "auth0|\u00fc", "auth0|\u7d44",
		"J\xfcrgen", "auth0|\x00", "auth0|\x1b[2J", "auth0|a\u2028b", "auth0|\ufffd", "auth0|\u2400", "org a", ".", "..", `a"b`, `"`, `""`, "1.5E+17", "a;b", "a|b", "a\tb",
		"org_id", "user_id", "email", "organization", "\x1a", `\\.`,
		strings.Repeat("o", 51), strings.Repeat("u", 1025),
	}
	headers := [][]string{
		{"org_id", "user_id"}, {"user_id", "org_id"}, {"org_id", "user_id", "note"}, {"note", "org_id", "user_id", ""},
		{"organization", "email"}, {"organization", "user", "connection"}, {"org", "email", "user_id", "note"}, {"org_id", "note"},
	}
	rapid.Check(t, func(t *rapid.T) {
		d := csvfile.Dialect{
			Encoding: rapid.SampledFrom([]string{"", "", "", "windows-1252"}).Draw(t, "encoding"),
			Keep:     rapid.Bool().Draw(t, "keep"),
			OrgID:    rapid.SampledFrom([]string{"", "", "", "org_a", "acme"}).Draw(t, "org"),
		}
		header := rapid.SampledFrom(headers).Draw(t, "header")
		if slices.Contains(header, "note") && rapid.Bool().Draw(t, "named") {
			d.UserColumn = "note"
		}
		delimiter := rapid.SampledFrom([]string{",", ",", ";", "|", "\t"}).Draw(t, "delimiter")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"})
		data := strings.Join(header, delimiter) + end.Draw(t, "end")
		for range rapid.IntRange(1, 6).Draw(t, "rows") {
			for i := range header {
				if i > 0 {
					data += delimiter
				}
				cell := rapid.SampledFrom(cells).Draw(t, "cell")
				switch rapid.IntRange(0, 3).Draw(t, "quotes") {
				case 0, 1:
				case 2:
					cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
				case 3:
					cell = `"` + cell // as if they had been forgotten
				}
				data += cell
			}
			data += strings.Repeat(delimiter, rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "more")) + end.Draw(t, "end")
		}
		checkAgain(t, []byte(data), d)
	})
}

func checkAgain(t rapid.TB, data []byte, d csvfile.Dialect) {
	t.Helper()
	first, err := readInput(data, d)
	if err != nil {
		return
	}
	texts := textsOf(data, d)
	for _, row := range first.rows {
		if row.Err == nil {
			checkStands(t, texts, d, row)
		}
	}
	for _, failures := range []bool{true, false} {
		written := first.write(t, failures)
		for _, flags := range []csvfile.Dialect{d, {OrgID: d.OrgID}} {
			if dropped := flags.Delimiter != d.Delimiter || flags.UserColumn != d.UserColumn; dropped && d.Keep && d.UserColumn != "" {
				continue // another column may then be the first to name the user
			}
			for name, save := range map[string]func([]byte) []byte{
				"as it is":                              func(b []byte) []byte { return b },
				"saved by Excel as CSV UTF-8":           savedByExcel(nil),
				"saved by Excel as CSV":                 savedByExcel(charmap.Windows1252.NewEncoder()),
				"saved by Excel as Unicode Text":        savedByExcel(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()),
				"cut off in the middle of the last row": func(b []byte) []byte { return b[:len(b)-min(len(b), 40)] },
			} {
				again, err := readInput(save(written), flags)
				if err != nil {
					continue
				}
				for _, row := range again.rows {
					if row.Err == nil && !first.sends[pairOf(row)] {
						t.Fatalf("%s, with %+v: line %d sends %s, which the first import would not have sent\nfirst: %q\nthen:  %q",
							name, flags, row.Line, pairOf(row), data, save(written))
					}
				}
			}
		}
	}
}

var resultsColumns = []string{"line", "org_id", "user_id", "status", "http_status", "error_code", "message", "attempts", "correlation_id", "timestamp"}

// reading is what an import reads from a file.
type reading struct {
	rows  []importer.Row
	kept  []string
	sends map[string]bool // by pairOf
}

// readInput reads a file as an import does: once for the columns of the keys, and
// then for its rows.
func readInput(data []byte, d csvfile.Dialect) (*reading, error) {
	for again := false; ; again = true {
		table, err := csvfile.Open(bytes.NewReader(data), d)
		if err != nil {
			return nil, err
		}
		r := reading{sends: make(map[string]bool)}
		for row, err := range table.Rows() {
			if err != nil {
				return nil, err
			}
			r.rows = append(r.rows, row)
			r.sends[pairOf(row)] = row.Err == nil || r.sends[pairOf(row)]
		}
		if again {
			r.kept = table.Kept
			return &r, nil
		}
		d.KeepKeys = table.UsedKeys()
	}
}

// pairOf returns the pair of a row after its look-ups.
func pairOf(row importer.Row) string {
	org, user := resolved(row)
	return org + " " + user
}

// resolved returns the ids of a row, or made-up ones from its keys.
func resolved(row importer.Row) (org, user string) {
	org, user = row.OrgID, row.UserID
	if row.Keys != nil && org == "" {
		org = "org_" + hashed(row.Keys.Org.Kind, row.Keys.Org.Value)
	}
	if row.Keys != nil && user == "" {
		user = "auth0|" + hashed(row.Keys.User.Kind, row.Keys.User.Value, row.Keys.Connection)
	}
	return org, user
}

func hashed(values ...string) string {
	h := fnv.New64()
	fmt.Fprintf(h, "%q", values)
	return fmt.Sprintf("%x", h.Sum64())
}

// write returns the results of an import, or its failures alone. Some rows were
// added, some refused by the server, and some not found.
func (r *reading) write(t rapid.TB, failures bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := report.NewWriter(&b, nil, r.kept)
	if err := w.WriteHeader(); err != nil {
		t.Fatal(err)
	}
	for _, row := range r.rows {
		o := importer.Outcome{Row: row, Status: importer.Added, Receipt: importer.Receipt{Time: time.Unix(0, 0)}}
		switch n := row.Line % 3; {
		case row.Err != nil:
			o = importer.Unsent(row)
		case n == 0 && row.Keys != nil && isLatin(row):
			o.Status, o.Code, o.Message = importer.Rejected, "user_not_found", "no user has it"
		case n <= 1 && isLatin(row):
			o.Status, o.Code = importer.Failed, "invalid_body"
			o.Row.OrgID, o.Row.UserID = resolved(row)
		default:
			o.Row.OrgID, o.Row.UserID = resolved(row)
		}
		if failures && !o.Status.Failure() {
			continue
		}
		if err := w.Write([]importer.Outcome{o}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// isLatin reports whether the row can be saved in Windows-1252. A spreadsheet
// writes question marks in place of other characters, which can't be undone.
func isLatin(row importer.Row) bool {
	_, err := charmap.Windows1252.NewEncoder().String(fmt.Sprint(row.OrgID, row.UserID, row.Kept))
	return err == nil
}

// savedByExcel saves a file as Excel does: with semicolons, CRLF, its own dates,
// the results of formulas, and as UTF-8 with a byte order mark unless another
// encoding is given.
func savedByExcel(e *encoding.Encoder) func([]byte) []byte {
	return func(data []byte) []byte {
		records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
		if err != nil {
			return nil
		}
		for i, record := range records {
			for j, value := range record {
				switch {
				case i > 0 && j == 9:
					record[j] = "01.01.1970 00:00"
				case strings.HasPrefix(value, "="):
					record[j] = "#NAME?"
				}
			}
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma, w.UseCRLF = ';', true
		_ = w.WriteAll(records) // to memory
		if e == nil {
			return append([]byte("\uFEFF"), b.Bytes()...)
		}
		saved, _ := encoding.ReplaceUnsupported(e).Bytes(b.Bytes())
		return bytes.ReplaceAll(saved, []byte("\x1A"), []byte("?"))
	}
}

// textsOf returns the texts that the bytes of a file may stand for, with quotes
// doubled and undoubled.
func textsOf(data []byte, d csvfile.Dialect) (texts []string) {
	decoders := []*encoding.Decoder{
		encoding.Nop.NewDecoder(),
		unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder(),
		unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder(),
	}
	if d.Encoding == "windows-1252" {
		decoders = append(decoders, charmap.Windows1252.NewDecoder())
	}
	for _, decoder := range decoders {
		text, _ := decoder.String(string(data))
		texts = append(texts, text, strings.ReplaceAll(text, `""`, `"`))
	}
	return texts
}

// checkStands fails the test if what a row sends, or is looked up by, is not in the
// file.
func checkStands(t rapid.TB, texts []string, d csvfile.Dialect, row importer.Row) {
	t.Helper()
	values := []string{row.OrgID, row.UserID}
	if k := row.Keys; k != nil {
		values = append(values, k.Org.Value, k.User.Value, k.Connection)
	}
	for _, value := range values {
		stands := value == d.OrgID
		for _, text := range texts {
			stands = stands || strings.Contains(text, value)
		}
		if !stands {
			t.Fatalf("line %d sends %q, which does not stand in the file\n%q", row.Line, value, texts[0])
		}
	}
}
