package csvfile_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"orgimport/importer/csvfile"
)

var errBad = errors.New("bad")

const plainFile = "org_id,user_id\norg_a,auth0|1\norg_b,auth0|2\n"

func TestTableRefusesWhatItCannotRead(t *testing.T) {
	const save = "save it as CSV (UTF-8) in the program it comes from"
	const unpack = "unpack it, or pack it with gzip or zstd"

	for _, test := range []struct {
		name    string
		data    string
		dialect csvfile.Dialect
		want    string
	}{
		{name: "empty", data: "", want: "error: the file is empty; hint: it needs a header, such as org_id,user_id"},
		{name: "a byte order mark and blank lines", data: "\uFEFF\r\n \n", want: "error: the file is empty; hint: it needs a header, such as org_id,user_id"},
		{name: "sep= alone", data: "sep=,\n", want: "error: the file is empty; hint: it needs a header, such as org_id,user_id"},
		{name: "empty gzip", data: gzipped(""), want: "error: the file is empty; hint: it needs a header, such as org_id,user_id"},
		{
			name: "no column of users", data: "org_id,name\norg_a,x\n",
			want: `error: line 1: no column for the user: the header has "org_id", "name"; hint: name it with --user-column`,
		},
		{
			name: "no column of organizations", data: "\n\nuser_id,name\nauth0|1,x\n",
			want: `error: line 3: no column for the organization: the header has "user_id", "name"; hint: name it with --org-column, or give every row one organization with --org`,
		},
		{
			name: "a long header", data: strings.Repeat("column,", 30) + strings.Repeat("n", 50) + "\n",
			want: `error: line 1: no column for the user: the header has ` + strings.Repeat(`"column", `, 19) + `"column" and 11 more; hint: name it with --user-column`,
		},
		{
			name: "no header", data: "org_P0M5j2B0FfwQioEe,auth0|6410784d38b3e02b77fdd65f\n",
			want: `error: line 1: the first line looks like a row, not like a header: "org_P0M5j2B0FfwQioEe", "auth0|6410784d38b3e02b77fdd65f"; hint: put a line above it that names the columns, such as org_id,user_id`,
		},
		{
			name: "two columns of users", data: "org_id,User ID,Sub\n",
			want: `error: line 1: more than one column could be the user: "User ID", "Sub"; hint: name the right one with --user-column`,
		},
		{
			name: "two columns of organizations of one name", data: "org_id,user_id,org_id\n",
			want: `error: line 1: more than one column could be the organization: "org_id", "org_id"; hint: rename all but one of them in the file`,
		},
		{
			name: "a named column that is not there", data: "org,user\norg_a,auth0|1\n", dialect: csvfile.Dialect{UserColumn: "member"},
			want: `error: line 1: there is no column "member": the header has "org", "user"; hint: name one of them with --user-column`,
		},
		{
			name: "one column for both", data: plainFile, dialect: csvfile.Dialect{OrgColumn: "user_id"},
			want: `error: line 1: column "user_id" is given for both the organization and the user; hint: name two columns with --org-column and --user-column`,
		},
		{
			name: "columns swapped", data: "org_id,\"the user's id\"\nauth0|1,org_a\nauth0|2,org_b\norg_c,auth0|3\n",
			dialect: csvfile.Dialect{UserColumn: "the user's id"},
			want:    `error: the columns look swapped: "org_id" has users, "the user's id" has organizations; hint: --org-column 'the user'\''s id' --user-column org_id`,
		},
		{
			name: "columns swapped, for names only", data: "org_id,user_id\nauth0|1,org_a\n",
			want: `error: the columns look swapped: "org_id" has users, "user_id" has organizations; hint: --org-column user_id --user-column org_id`,
		},
		{
			name: "a header with a stray quote", data: "org_id,\"user_id\norg_a,auth0|1\n",
			want: `error: line 1: the header can't be read: a quoted value that is not closed, or goes on after its closing quote; hint: fix the quotes in the header`,
		},
		{
			name: "a header without end", data: strings.Repeat("x", 1<<20+1),
			want: `error: line 1: the header is longer than 1 MiB; hint: is this a CSV file?`,
		},
		{
			name: "a header in Windows-1252", data: "org_id,user_id,\xDCbung\n",
			want: `error: line 1: the header is not UTF-8; hint: save the file in UTF-8, or give its encoding, such as --encoding windows-1252`,
		},
		{
			name: "an organization that can't be", data: plainFile, dialect: csvfile.Dialect{OrgID: "org a"},
			want: `error: "org a" can't be an organization: it holds white space; hint: --org takes the id or the name of an organization, such as org_P0M5j2B0FfwQioEe`,
		},
		{name: "Excel workbook", data: "PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", want: "error: this is an Excel workbook; hint: " + save},
		{name: "Excel workbook in gzip", data: gzipped("PK\x03\x04\x14\x00\x06\x00xl/workbook.xml"), want: "error: this is an Excel workbook; hint: " + save},
		{name: "old Excel workbook", data: "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00", want: "error: this is an Excel workbook of the old format; hint: " + save},
		{name: "LibreOffice spreadsheet", data: "PK\x03\x04\x14mimetypeapplication/vnd.oasis.opendocument.spreadsheet", want: "error: this is a LibreOffice spreadsheet; hint: " + save},
		{name: "ZIP archive", data: "PK\x03\x04\x14\x00users.csv", want: "error: this is a ZIP archive; hint: " + unpack},
		{name: "xz archive", data: "\xFD7zXZ\x00", want: "error: this is an xz archive; hint: " + unpack},
		{name: "PDF document", data: "%PDF-1.7\n", want: "error: this is a PDF document; hint: " + save},
		{name: "text in UTF-32", data: "\xFF\xFE\x00\x00o\x00\x00\x00", want: "error: this is a text in UTF-32; hint: save it in UTF-8"},
		{
			name: "login page", data: "\r\n <!DOCTYPE HTML>\n<html>",
			want: "error: this is a web page, perhaps the login page in front of the file; hint: open the file's address in a browser and log in, then download the file itself",
		},
		{name: "XML document", data: "<?xml version=\"1.0\"?>", want: "error: this is an XML document; hint: " + save},
		{name: "JSON document", data: "\uFEFF[{\"org_id\":", want: "error: this is a JSON document; hint: turn it into a CSV file with a header org_id,user_id"},
		{name: "HTML table", data: "<table><tr><td>org_id</td></tr></table>", want: "error: this is a table in HTML; hint: " + save},
		{name: "random bytes", data: "\xF3\x01\x9A\"\x07x\n", want: "error: this is a binary file; hint: save it as CSV; if it is text, give its encoding with --encoding"},
		{
			name: "names in the brackets of SQL", data: "[org_id],[user_id]\n[org_a],[auth0|1]\n",
			want: `error: line 1: no column for the user: the header has "[org_id]", "[user_id]"; hint: name it with --user-column`,
		},
		{name: "compressed twice", data: gzipped(gzipped(plainFile)), want: "error: this is compressed twice; hint: unpack it once"},
		{name: "binary file", data: "\x7FELF\x02\x01\x01\x00\x00\x00 and so on", want: "error: this is a binary file; hint: save it as CSV; if it is text, give its encoding with --encoding"},
		{
			name: "damaged gzip", data: "\x1F\x8B\x07",
			want: "error: the gzip data can't be read: unexpected EOF; hint: get the file again",
		},
		{
			name: "gzip cut off in the first line", data: gzipped("org_id")[:12],
			want: "error: line 1: the gzip data ends too early: unexpected EOF; hint: the file is cut off: get the file again",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := read(strings.NewReader(test.data), test.dialect)
			if !slices.Equal(got, []string{test.want}) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), test.want)
			}
		})
	}
}

func TestTableRejectsRowsAndContinues(t *testing.T) {
	const (
		quote  = "a quoted value that is not closed, or goes on after its closing quote: "
		fields = "3 fields, the header has 2; a value that holds the delimiter (comma) must be in quotes, or the file have another: "
	)
	long := strings.Repeat("x", 51)

	for _, test := range []struct {
		name string
		rows string // after the header org_id,user_id
		want []string
	}{
		{"too few fields", "org_a\norg_b,u2\n", []string{"2  : 1 field, the header has 2: org_a", "3 org_b u2"}},
		{"too many fields", "org_a,u1,x\norg_b,u2\n", []string{"2  : " + fields + "org_a,u1,x", "3 org_b u2"}},
		{"empty values", ",u1\norg_b,\n,\norg_d,u4\n", []string{
			"2  u1: the organization is empty",
			"3 org_b : the user is empty",
			"5 org_d u4",
		}},
		{"a quote that is never closed", "org_a,\"u1\norg_b,u2\n\norg_c,u3\n", []string{
			"2  : " + quote + `org_a,"u1`, "3 org_b u2", "5 org_c u3",
		}},
		{"a quote that is closed by another row's", "org_a,\"u1\norg_b,u2\norg_c,\"\norg_d,u4\n", []string{
			`2  : the quotes make an id of several lines: org_a,"u1`,
			"3 org_b u2",
			"4  : " + quote + `org_c,"`,
			"5 org_d u4",
		}},
		{"a quote that makes a record of too many fields", "org_a,\"u1\norg_b,u2\",x\norg_c,u3\n", []string{
			"2  : " + fields + `org_a,"u1`,
			`3  : a quote inside a value that does not begin with one: org_b,u2",x`,
			"4 org_c u3",
		}},
		{"a quote in the middle", "org_a,u\"1\norg_b,\"u\"2\norg_c,u3\n", []string{
			`2  : a quote inside a value that does not begin with one: org_a,u"1`,
			"3  : " + quote + `org_b,"u"2`,
			"4 org_c u3",
		}},
		{"ids that no path can hold", ".,u1\n..,u2\n...,u3\n", []string{
			`2 . u1: the organization's id is ".", which no path can hold`,
			`3 .. u2: the organization's id is "..", which no path can hold`,
			"4 ... u3",
		}},
		{"long ids", long + ",u1\n" + long[1:] + "," + strings.Repeat("ü", 1024) + "\norg_c," + strings.Repeat("u", 1025) + "\n", []string{
			"2 " + long + " u1: the organization's id is longer than 50 characters",
			"3 " + long[1:] + " " + strings.Repeat("ü", 1024),
			"4 org_c " + strings.Repeat("u", 1025) + ": the user's id is longer than 1024 characters",
		}},
		{"white space", "org a,u1\norg\u00A0b,u2\norg_c,u 3\norg_d,u\t4\n", []string{
			"2 org a u1: the organization's id holds white space",
			"3  : the organization's id holds white space: \"org\\u00a0b\"",
			"4 org_c u 3",
			"5 org_d : the user's id holds a control character: \"u\\t4\"",
		}},
		{"control characters", "org\x01a,u1\norg_b,u\x7F2\norg_c,u\r3\norg_d,u\u20284\n", []string{
			"2  : the organization's id holds a control character: \"org\\x01a\"",
			"3 org_b : the user's id holds a control character: \"u\\x7f2\"",
			"4 org_c u",
			"5  : 1 field, the header has 2: 3",
			"6 org_d : the user's id holds a line break: \"u\\u20284\"",
		}},
		{"not UTF-8", "org_a,J\xFCrgen\nJ\xFCrgen,u2\norg_c,u3\n", []string{
			"2 org_a : the user's id is not UTF-8 (if the file is in Windows-1252, add --encoding windows-1252): \"J\\xfcrgen\"",
			"3  : the organization's id is not UTF-8 (if the file is in Windows-1252, add --encoding windows-1252): \"J\\xfcrgen\"",
			"4 org_c u3",
		}},
		{"a character that was lost", "org_a,J\uFFFDrgen\n", []string{
			"2 org_a : the user's id holds U+FFFD, the mark of a character that was lost in a conversion: J\uFFFDrgen",
		}},
		{"files joined", "org_a,u1\n\uFEFForg_id,user_id\norg_a,user_id\n", []string{
			"2 org_a u1",
			"4 org_a user_id",
		}},
		{"ids of other forms", "acme,42\nORG,jo@example.com\n組織,会員\n", []string{"2 acme 42", "3 ORG jo@example.com", "4 組織 会員"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := read(strings.NewReader("org_id,user_id\n"+test.rows), csvfile.Dialect{})
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A crash leaves such an end in a file that was being written.
func TestTableRejectsNULsFarAfterTheHeader(t *testing.T) {
	data := "org_id,user_id\n" + strings.Repeat("org_a,u\n", 1000) + strings.Repeat("\x00", 100)
	got, _ := read(strings.NewReader(data), csvfile.Dialect{})
	want := "1002  : 1 field, the header has 2: " + strings.Repeat("\x00", 100)
	if len(got) != 1001 || got[1000] != want {
		t.Errorf("%d rows, the last %q, want %q", len(got), got[len(got)-1], want)
	}
}

func TestTableGivesUpOnARecordThatIsTooLong(t *testing.T) {
	const quote = "a quoted value that is not closed, or goes on after its closing quote"
	wide := strings.Repeat("x", 1<<20)
	for _, test := range []struct{ name, data, first string }{
		{"a line", "org_a,u1," + wide + wide + "\n", "2  : the line is longer than 1 MiB: org_a,u1," + wide[:191] + "…"},
		{"a line with the id at its end", "org_a," + wide + "yz,u1\n", "2  : the line is longer than 1 MiB: org_a," + wide[:194] + "…"},
		{"an open quote before long lines", "org_a,u1,\"x\n", "2  : " + quote + ": org_a,u1,\"x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var data strings.Builder
			data.WriteString("org_id,user_id,note\n" + test.data)
			want := []string{test.first}
			for i := range 3 {
				fmt.Fprintf(&data, "org_b,u%d,%s\n", i, wide[:1<<19])
				want = append(want, fmt.Sprintf("%d org_b u%d", i+3, i))
			}
			got, _ := read(strings.NewReader(data.String()), csvfile.Dialect{})
			if !slices.Equal(got, want) {
				t.Errorf("got %.100q, want %.100q", got, want)
			}
		})
	}
}

func TestTableReadsTheRowsAfterAQuoteThatIsNeverClosed(t *testing.T) {
	const n = 3000 // more lines than a record may have
	data := "org_id,user_id\norg_a,\"u1\n" + strings.Repeat("org_b,u\n", n)
	got, _ := read(strings.NewReader(data), csvfile.Dialect{})
	if len(got) != n+1 || got[1] != "3 org_b u" || got[n] != fmt.Sprint(n+2, " org_b u") {
		t.Errorf("%d rows, the second %q, the last %q", len(got), got[1], got[len(got)-1])
	}
}

func TestTableSaysWhereAFileEndsTooEarly(t *testing.T) {
	const rows = 20_000
	var plain strings.Builder
	plain.WriteString("org_id,user_id\n")
	for i := range rows {
		fmt.Fprintf(&plain, "org_a,auth0|%d\n", i*7919)
	}
	for name, data := range map[string]string{"gzip": gzipped(plain.String()), "zstd": zstandard(plain.String())} {
		t.Run(name, func(t *testing.T) {
			got, _ := read(strings.NewReader(data[:len(data)*3/4]), csvfile.Dialect{})
			n := len(got) - 1
			if n < 1000 || n >= rows {
				t.Fatalf("%d rows", n)
			}
			want := fmt.Sprintf("error: line %d: the %s data ends too early, after line %d: unexpected EOF; hint: the file is cut off: get the file again", n+2, name, n+1)
			if got[n] != want {
				t.Errorf("got  %s\nwant %s", got[n], want)
			}
			if want := fmt.Sprintf("%d org_a auth0|%d", n+1, (n-1)*7919); got[n-1] != want {
				t.Errorf("the last row is %q, want %q: half a line is no row", got[n-1], want)
			}
		})
	}
}

func TestTableKeepsTheRowsOfAnOpenQuoteWhereAFileEndsTooEarly(t *testing.T) {
	r := io.MultiReader(strings.NewReader("org_id,user_id\norg_a,\"u1\norg_b,u2\norg_c,u"), iotest.ErrReader(errBad))
	table, err := csvfile.Open(r, csvfile.Dialect{})
	var input *csvfile.InputError
	if table != nil || !errors.As(err, &input) || !errors.Is(err, errBad) {
		t.Fatalf("Open = %v, %v", table, err)
	}
	if want := "line 4: the file can't be read any further, after line 3: bad"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTableReadsAnyReader(t *testing.T) {
	data := "\n" + plainFile + "org_c,\"u\"\"3\"\n"
	want, about := read(strings.NewReader(data), csvfile.Dialect{})
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte":   iotest.OneByteReader,
		"half":       iotest.HalfReader,
		"data error": iotest.DataErrReader,
		"hesitant":   func(r io.Reader) io.Reader { return &hesitant{r: r} },
	} {
		for _, data := range []string{data, utf16le(data), gzipped(data), zstandard(data), strings.ReplaceAll(data, "\n", "\r")} {
			got, _ := read(wrap(strings.NewReader(data)), csvfile.Dialect{})
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q (%s)", name, got, want, about)
			}
		}
	}
}

// hesitant returns neither data nor an error every other time.
type hesitant struct {
	r     io.Reader
	ready bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	h.ready = !h.ready
	if !h.ready {
		return 0, nil
	}
	return h.r.Read(p)
}

func TestTableDoesNotReadAheadOfItsRows(t *testing.T) {
	r := &made{rows: math.MaxInt, orgs: 10}
	table, err := csvfile.Open(r, csvfile.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range table.Rows() {
		if err != nil || row.Err != nil {
			t.Fatal(row, err)
		}
		if row.Line == 10_000 {
			break
		}
	}
	if ahead := r.done - 10_000; ahead > 10_000 {
		t.Errorf("%d rows were read ahead", ahead)
	}
	for row := range table.Rows() {
		if row.Line != 10_001 {
			t.Errorf("continues with line %d", row.Line)
		}
		break
	}
}

// A record may have as many lines as the limit, and no more.
func TestTableReadsRecordsUpToTheLimitOfLines(t *testing.T) {
	for _, test := range []struct {
		lines int
		want  string
	}{
		{1000, "2 org_a u1"},
		{1001, "2  : a quoted value that is not closed, or goes on after its closing quote: org_a,u1,\"x"},
	} {
		data := "org_id,user_id,note\norg_a,u1,\"" + strings.Repeat("x\n", test.lines-1) + "\"\n"
		if got, _ := read(strings.NewReader(data), csvfile.Dialect{}); got[0] != test.want {
			t.Errorf("%d lines: %q, want %q", test.lines, got[0], test.want)
		}
	}
}
