package csvfile_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"orgimport/importer/csvfile"
)

// Every record that a strict reader finds in a file is a row, with the same ids
// and on the same line, and nothing else is: whatever the line ends, the quotes,
// the delimiter and the encoding.
func FuzzIndependentReader(f *testing.F) {
	for _, body := range []string{
		"org_a,auth0|1,x\norg_b,auth0|2,y\norg_c,auth0|3\norg_id,user_id\n", // spreadsheets leave out empty values
		"org_a,auth0|1,x\rorg_b,auth0|2,y\r\norg_c,\"auth0|3\",\"a\r\nb\rc\nd\"\r\r\norg_d,auth0|4,",
		"\"org_a\",\"auth0|\"\"1\"\"\",\"\"\n,,\n \t\n\"\",\"\",\"\"\norg_b,\u00a0auth0|2\u200b,\"\"\"\"\n",
		"\uFEFForg_a,auth0|1,x\norg_id,user_id,note\norg_b,auth0|2,\"org_c,auth0|3,z\norg_d,auth0|4,\"\n",
	} {
		for _, choice := range []uint8{0, 7, 22, 63} {
			f.Add(body, choice)
		}
	}
	f.Fuzz(func(t *testing.T, body string, choice uint8) {
		delimiter := []string{",", ";", "\t", "|"}[choice&3]
		text := strings.Join([]string{"org_id", "user_id", "note\n"}, delimiter) + strings.ReplaceAll(body, ",", delimiter)
		records, ok := strictly(text, []rune(delimiter)[0])
		if !ok || !utf8.ValidString(body) || strings.ContainsAny(body, "='\x1A") || strings.Contains(body, `\.`) {
			t.Skip()
		}
		for _, r := range records {
			if strings.Contains(strings.Join(r.values[:min(len(r.values), 2)], ""), "\n") ||
				len(r.values) != 3 && strings.Contains(strings.Join(r.values, ""), "\n") {
				t.Skip() // a quote is missing: the lines are read one by one
			}
		}
		data, encoding := text, "utf-8"
		switch choice >> 2 & 3 {
		case 1:
			data, encoding = utf16le(text), "utf-16le"
		case 2:
			data, encoding = utf16be(text), "utf-16be"
		case 3:
			data = "\uFEFF" + text
		}
		if choice>>4&1 != 0 {
			data = gzipped(data)
		}
		table, err := csvfile.Open(strings.NewReader(data), csvfile.Dialect{Delimiter: []rune(delimiter)[0], Encoding: encoding})
		if err != nil {
			t.Skip()
		}
		records = records[1:]
		for row, err := range table.Rows() {
			if err != nil {
				t.Fatal(err)
			}
			for len(records) > 0 && records[0].line < row.Line {
				checkNoRow(t, records[0], text)
				records = records[1:]
			}
			if len(records) == 0 || records[0].line != row.Line {
				t.Fatalf("a row on line %d, where no record begins\n%q", row.Line, text)
			}
			r := records[0]
			records = records[1:]
			if row.Err == nil && (len(r.values) < 2 || visible(r.values[0]) != row.OrgID || visible(r.values[1]) != row.UserID) {
				t.Fatalf("line %d: %q, %q of %q\n%q", row.Line, row.OrgID, row.UserID, r.values, text)
			}
		}
		for _, r := range records {
			checkNoRow(t, r, text)
		}
	})
}

// checkNoRow fails the test unless a record is blank or the header again.
func checkNoRow(t *testing.T, r strictRecord, text string) {
	t.Helper()
	blank := visible(strings.Join(r.values, "")) == ""
	header := len(r.values) >= 2 && strings.EqualFold(visible(r.values[0]), "org_id") && strings.EqualFold(visible(r.values[1]), "user_id")
	if !blank && !header {
		t.Fatalf("line %d: no row of %q\n%q", r.line, r.values, text)
	}
}

// visible returns a value without what nobody sees around it. The characters are
// those in people's reports, not the reader's list.
func visible(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) ||
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	})
}

// strictRecord is a record as RFC 4180 has it.
type strictRecord struct {
	values []string
	line   int
}

// strictly returns the records of a text, and false if it is not as RFC 4180
// requires. A line ends in LF, CR or both, and a byte order mark may begin one, for
// files may have been joined.
func strictly(text string, delimiter rune) (records []strictRecord, ok bool) {
	for strings.Contains(text, "\r\n") { // some programs write them twice
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	text = strings.ReplaceAll(text, "\r", "\n")
	line := 1
	for text != "" {
		r := strictRecord{line: line}
		text = strings.TrimPrefix(text, "\uFEFF")
		for more := true; more; {
			var value string
			if strings.HasPrefix(text, `"`) {
				text = text[1:]
				for {
					i := strings.IndexByte(text, '"')
					if i < 0 {
						return nil, false
					}
					value += text[:i]
					text = text[i+1:]
					if !strings.HasPrefix(text, `"`) {
						break
					}
					value += `"`
					text = text[1:]
				}
				line += strings.Count(value, "\n")
			} else {
				i := strings.IndexAny(text, "\n\""+string(delimiter))
				if i < 0 {
					i = len(text)
				}
				value, text = text[:i], text[i:]
			}
			r.values = append(r.values, value)
			switch {
			case text == "":
				more = false
			case text[0] == '\n':
				text, more = text[1:], false
				line++
			case strings.HasPrefix(text, string(delimiter)):
				text = text[len(string(delimiter)):]
			default:
				return nil, false
			}
		}
		records = append(records, r)
	}
	return records, true
}
