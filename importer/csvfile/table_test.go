package csvfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// want is the file that most dialects are tested with, as it must come out.
var want = []string{
	"2 org_a auth0|1",
	"3 org_b auth0|2",
}

func TestTableReadsDialects(t *testing.T) {
	const about = `UTF-8, comma, organization in "org_id", user in "user_id"`
	plain := "org_id,user_id\norg_a,auth0|1\norg_b,auth0|2\n"
	crlf := strings.ReplaceAll(plain, "\n", "\r\n")
	semicolon := strings.ReplaceAll(plain, ",", ";")

	for _, test := range []struct {
		name    string
		data    string
		dialect csvfile.Dialect
		rows    []string
		about   string
	}{
		{name: "plain", data: plain, rows: want, about: about},
		{name: "no last newline", data: strings.TrimSuffix(plain, "\n"), rows: want, about: about},
		{name: "header only", data: "org_id,user_id", rows: nil, about: about},
		{name: "CRLF", data: crlf, rows: want, about: about},
		{name: "CRLF, no last newline", data: strings.TrimSuffix(crlf, "\r\n"), rows: want, about: about},
		{name: "CR alone", data: strings.ReplaceAll(plain, "\n", "\r"), rows: want, about: about},
		{
			name: "CR alone, and a control character in a value", data: "org_id,user_id,note\rorg_a,auth0|1,\x11\rorg_b,auth0|2,\r",
			rows: want, about: about,
		},
		{
			name: "CR alone, and CRLF in one place", data: "org_id,user_id\rorg_a,auth0|1\r\norg_b,auth0|2\r",
			rows: want, about: about,
		},
		{
			name: "CRCRLF, which is LF made CRLF twice", data: strings.ReplaceAll(plain, "\n", "\r\r\n"),
			rows: want, about: about,
		},
		{name: "byte order mark", data: "\uFEFF" + plain, rows: want, about: about},
		{
			name: "byte order mark before a quoted header", data: "\uFEFF\"org_id\",\"user_id\"\norg_a,auth0|1\norg_b,auth0|2\n",
			rows: want, about: about,
		},
		{name: "byte order mark twice", data: "\uFEFF\uFEFF" + plain, rows: want, about: about},
		{
			name: "UTF-16LE with byte order mark", data: utf16le("\uFEFF" + crlf), rows: want,
			about: strings.Replace(about, "UTF-8", "UTF-16 (little endian)", 1),
		},
		{
			name: "UTF-16BE with byte order mark", data: utf16be("\uFEFF" + crlf), rows: want,
			about: strings.Replace(about, "UTF-8", "UTF-16 (big endian)", 1),
		},
		{
			name: "UTF-16LE without", data: utf16le(plain), rows: want,
			about: strings.Replace(about, "UTF-8", "UTF-16 (little endian)", 1),
		},
		{
			name: "UTF-16BE without", data: utf16be(plain), rows: want,
			about: strings.Replace(about, "UTF-8", "UTF-16 (big endian)", 1),
		},
		{
			name: "UTF-16 asked for", data: utf16be("\uFEFF" + plain), dialect: csvfile.Dialect{Encoding: "utf-16"}, rows: want,
			about: strings.Replace(about, "UTF-8", "UTF-16 (big endian)", 1),
		},
		{
			name: "UTF-16BE asked for, header not of ASCII", data: utf16be("組織,会員\norg_a,auth0|1\norg_b,auth0|2\n"),
			dialect: csvfile.Dialect{Encoding: "utf-16be", OrgColumn: "組織", UserColumn: "会員"}, rows: want,
			about: `UTF-16 (big endian), comma, organization in "組織", user in "会員"`,
		},
		{
			name: "UTF-16LE with tabs, as Excel's Unicode text", data: utf16le("\uFEFF" + strings.ReplaceAll(crlf, ",", "\t")), rows: want,
			about: `UTF-16 (little endian), tab, organization in "org_id", user in "user_id"`,
		},
		{
			name: "Windows-1252 asked for", data: "org_id,user_id\norg_a,auth0|J\xFCrgen\n",
			dialect: csvfile.Dialect{Encoding: "windows-1252"}, rows: []string{"2 org_a auth0|Jürgen"},
			about: strings.Replace(about, "UTF-8", "Windows-1252", 1),
		},
		{
			name: "semicolon", data: semicolon, rows: want,
			about: strings.Replace(about, "comma", "semicolon", 1),
		},
		{
			name: "tab", data: strings.ReplaceAll(plain, ",", "\t"), rows: want,
			about: strings.Replace(about, "comma", "tab", 1),
		},
		{
			name: "pipe, with which users are quoted", data: "org_id|user_id\norg_a|\"auth0|1\"\norg_b|\"auth0|2\"\n", rows: want,
			about: strings.Replace(about, "comma", "pipe", 1),
		},
		{
			name: "the delimiter that gives the columns, not the frequent one",
			data: "org_id;\"a,b,c,d\";user_id\norg_a;;auth0|1\norg_b;;auth0|2\n", rows: want,
			about: strings.Replace(about, "comma", "semicolon", 1),
		},
		{
			name: "any delimiter, asked for", data: strings.ReplaceAll(plain, ",", "^"), dialect: csvfile.Dialect{Delimiter: '^'}, rows: want,
			about: strings.Replace(about, "comma", "^", 1),
		},
		{
			name: "sep= line", data: "sep=;\r\n" + strings.ReplaceAll(crlf, ",", ";"),
			rows: []string{"3 org_a auth0|1", "4 org_b auth0|2"}, about: strings.Replace(about, "comma", "semicolon", 1),
		},
		{
			name: "sep= line, quoted, of a tab, after a byte order mark", data: "\uFEFF\"SEP=\t\"\n" + strings.ReplaceAll(plain, ",", "\t"),
			rows: []string{"3 org_a auth0|1", "4 org_b auth0|2"}, about: strings.Replace(about, "comma", "tab", 1),
		},
		{
			name: "sep= line that is wrong, and the delimiter asked for", data: "sep=,\n" + semicolon, dialect: csvfile.Dialect{Delimiter: ';'},
			rows: []string{"3 org_a auth0|1", "4 org_b auth0|2"}, about: strings.Replace(about, "comma", "semicolon", 1),
		},
		{
			name: "blank lines anywhere", data: "\n  \r\norg_id,user_id\n\n\norg_a,auth0|1\n\t\norg_b,auth0|2\n\n \n",
			rows: []string{"6 org_a auth0|1", "8 org_b auth0|2"}, about: about,
		},
		{name: "gzip", data: gzipped(plain), rows: want, about: "gzip, " + about},
		{
			name: "gzip of several members", data: gzipped(plain[:20]) + gzipped("") + gzipped(plain[20:]), rows: want,
			about: "gzip, " + about,
		},
		{name: "zstd", data: zstandard(plain), rows: want, about: "zstd, " + about},
		{
			name: "zstd of several frames", data: zstandard(plain[:20]) + zstandard(plain[20:]), rows: want,
			about: "zstd, " + about,
		},
		{
			name: "gzip of UTF-16 with semicolons", data: gzipped(utf16le("\uFEFF" + semicolon)), rows: want,
			about: `gzip, UTF-16 (little endian), semicolon, organization in "org_id", user in "user_id"`,
		},
		{
			name: "names in other words and letters", data: " Organization ID ,name,USERID\norg_a,x,auth0|1\norg_b,y,auth0|2\n", rows: want,
			about: `UTF-8, comma, organization in "Organization ID", user in "USERID"`,
		},
		{
			name: "sub and organization", data: "sub,organization\nauth0|1,org_a\nauth0|2,org_b\n", rows: want,
			about: `UTF-8, comma, organization in "organization", user in "sub"`,
		},
		{
			name: "named columns", data: "user,org,member,tenant\n-,-,auth0|1,org_a\n-,-,auth0|2,org_b\n",
			dialect: csvfile.Dialect{OrgColumn: "Tenant", UserColumn: "member"}, rows: want,
			about: `UTF-8, comma, organization in "tenant", user in "member"`,
		},
		{
			name: "a named column beats a like one", data: "User,user,org\n-,auth0|1,org_a\n-,auth0|2,org_b\n",
			dialect: csvfile.Dialect{UserColumn: "user"}, rows: want,
			about: `UTF-8, comma, organization in "org", user in "user"`,
		},
		{
			name: "users only", data: "user_id\nauth0|1\nauth0|2\n", dialect: csvfile.Dialect{OrgID: "org_x"},
			rows:  []string{"2 org_x auth0|1", "3 org_x auth0|2"},
			about: `UTF-8, comma, organization org_x for every row, user in "user_id"`,
		},
		{
			name: "users only, some of them broken", data: "user_id\nauth0|1,x\n\"auth0|2\nuser_id\nauth0|3\n", dialect: csvfile.Dialect{OrgID: "org_x"},
			rows: []string{
				"2 org_x : 2 fields, the header has 1; a value that holds the delimiter (comma) must be in quotes, or the file have another: auth0|1,x",
				`3 org_x : a quoted value that is not closed, or goes on after its closing quote: "auth0|2`,
				"5 org_x auth0|3",
			},
			about: `UTF-8, comma, organization org_x for every row, user in "user_id"`,
		},
		{
			name: "one organization, and a column that disagrees", data: "org_id,user_id\norg_x,auth0|1\norg_b,auth0|2\n,auth0|3\n",
			dialect: csvfile.Dialect{OrgID: "org_x"},
			rows: []string{
				"2 org_x auth0|1",
				`3 org_b auth0|2: the row is of organization "org_b", --org says "org_x"`,
				"4 org_x auth0|3",
			},
			about: `UTF-8, comma, organization org_x for every row, user in "user_id"`,
		},
		{
			name: "quoted values", data: "org_id,note,user_id\n\"org_a\",\"a, \"\"b\"\"\r\n\r\nc\",\"auth0|1\"\norg_b, \"x\" , auth0|2 \n",
			rows: []string{"2 org_a auth0|1", "5 org_b auth0|2"}, about: about,
		},
		{
			name: "spaces around values", data: "org_id , user_id\n org_a , auth0|1\u00A0\n\torg_b, \"auth0|2 \"\n", rows: want, about: about,
		},
		{
			name: "a quoted header of two lines", data: "\"org_id\",\"full\nname\",user_id\norg_a,,auth0|1\n",
			rows: []string{"3 org_a auth0|1"}, about: about,
		},
		{
			name: "empty values behind the row", data: "org_id,user_id\norg_a,auth0|1,\norg_b,auth0|2,,,\n", rows: want, about: about,
		},
		{
			name: "empty values behind the header", data: "org_id,user_id,,\norg_a,auth0|1,,\norg_b,auth0|2\n", rows: want, about: about,
		},
		{
			name: "kept columns", data: "note,org_id,note,user_id,\nx,org_a, y ,auth0|1,\n\"1,\n2\",org_b,\xFF,auth0|2,\n,,z,auth0|3,\n",
			dialect: csvfile.Dialect{Keep: true},
			rows: []string{
				`2 org_a auth0|1 ["x" "y"]`,
				`3 org_b auth0|2 ["1,\n2" "` + "\uFFFD" + `"]`,
				`5  auth0|3 ["" "z"]: the organization is empty`,
			},
			about: about,
		},
		{
			name: "kept columns of broken rows", data: "org_id,user_id,a,b\norg_a,auth0|1,x\norg_b,auth0|2,x,y,z\norg_c,auth0|3,\"x,y\n",
			dialect: csvfile.Dialect{Keep: true},
			rows: []string{
				`2 org_a auth0|1 ["x" ""]`,
				`3   ["" ""]: 5 fields, the header has 4; a value that holds the delimiter (comma) must be in quotes, or the file have another: org_b,auth0|2,x,y,z`,
				`4   ["" ""]: a quoted value that is not closed, or goes on after its closing quote: org_c,auth0|3,"x,y`,
			},
			about: about,
		},
		{
			name: "results of an earlier run",
			data: resultsHeader + "\n" +
				"2,org_a,auth0|1,added,204,,,1,c,2026-01-01T00:00:00Z\n" +
				"3,org_a,auth0|2,already_member,,,,1,c,2026-01-01T00:00:00Z\n" +
				"4,org_a,auth0|1,duplicate,,,same pair as line 2,0,,2026-01-01T00:00:00Z\n" +
				"5,org_a,auth0|3,failed,400,invalid_body,\"no, not him\",1,c,2026-01-01T00:00:00Z\n" +
				"6,,auth0|4,rejected,,,the organization is empty,0,,2026-01-01T00:00:00Z\n" +
				"7,org_a,aut",
			rows: []string{
				"2 org_a auth0|1 already_member: in already, according to the results of an earlier run",
				"3 org_a auth0|2 already_member: in already, according to the results of an earlier run",
				"4 org_a auth0|1 duplicate: same pair as an earlier line, according to the results of an earlier run",
				"5 org_a auth0|3",
				"6  auth0|4: the organization is empty",
				"7  : 3 fields, the header has 10: 7,org_a,aut",
			},
			about: about + ", the results of an earlier run",
		},
		{
			name: "results with columns that were kept",
			data: resultsHeader + ",email,sub\n" +
				"2,org_a,auth0|1,failed,500,,,1,c,2026-01-01T00:00:00Z,a@example.com,x\n",
			dialect: csvfile.Dialect{Keep: true},
			rows:    []string{`2 org_a auth0|1 ["a@example.com" "x"]`},
			about:   about + ", the results of an earlier run",
		},
		{
			name: "a status column of other people is not ours", data: "org_id,user_id,status\norg_a,auth0|1,active\n",
			dialect: csvfile.Dialect{Plain: true}, rows: []string{"2 org_a auth0|1"}, about: about,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, about := read(strings.NewReader(test.data), test.dialect)
			if !slices.Equal(rows, test.rows) {
				t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(rows, "\n"), strings.Join(test.rows, "\n"))
			}
			if about != test.about {
				t.Errorf("String() = %s\n        want %s", about, test.about)
			}
		})
	}
}

// What Earlier returns is no reason to take an id out of a row.
func TestTableKeepsTheIDsOfResults(t *testing.T) {
	data := resultsHeader + "\n2,org_a,samlp|Jürgen,added,204,,,1,c,t\n3,org_a,=1,failed,400,,,1,c,t\n"
	for _, err := range []error{errBad, &importer.Decided{Status: importer.Added, Message: "in"}} {
		rows, _ := read(strings.NewReader(data), csvfile.Dialect{Earlier: func(csvfile.Result) error { return err }})
		if len(rows) != 2 || !strings.HasPrefix(rows[0], "2 org_a samlp|Jürgen") || !strings.HasPrefix(rows[1], "3 org_a : the user's id is a formula") {
			t.Errorf("%v: %q", err, rows)
		}
	}
}

// Results always end in a line end. Without it, a key at the end may be another.
func TestTableTakesNoKeyThatMayBeCutOff(t *testing.T) {
	data := resultsHeader + ",email\n2,org_a,,rejected,,user_not_found,,0,,t,ann@example.com\n3,org_a,,rejected,,user_not_found,,0,,t,bob@example.co"
	rows, _ := read(strings.NewReader(data), csvfile.Dialect{})
	want := []string{"2 org_a ", "3  : the last line has no line end: the file is cut off"}
	if !slices.Equal(rows, want) {
		t.Errorf("got %q, want %q", rows, want)
	}
	if rows, _ := read(strings.NewReader(data+"m\n"), csvfile.Dialect{}); !slices.Equal(rows, []string{"2 org_a ", "3 org_a "}) {
		t.Errorf("got %q", rows)
	}
}

const resultsHeader = "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp"

// read returns everything a file yields, one line for each row.
func read(r io.Reader, d csvfile.Dialect) (rows []string, about string) {
	table, err := csvfile.Open(r, d)
	if err != nil {
		return []string{failure(err)}, ""
	}
	for row, err := range table.Rows() {
		if err != nil {
			return append(rows, failure(err)), table.String()
		}
		rows = append(rows, show(row))
	}
	return rows, table.String()
}

func show(row importer.Row) string {
	s := fmt.Sprintf("%d %s %s", row.Line, row.OrgID, row.UserID)
	if row.Kept != nil {
		s += fmt.Sprintf(" %q", row.Kept)
	}
	var settled *importer.Decided
	if errors.As(row.Err, &settled) {
		s += fmt.Sprintf(" %s", settled.Status)
	}
	if row.Err != nil {
		s += ": " + row.Err.Error()
	}
	return s
}

func failure(err error) string {
	var input *csvfile.InputError
	if !errors.As(err, &input) {
		return fmt.Sprintf("%T, which is no InputError: %v", err, err)
	}
	return fmt.Sprintf("error: %v; hint: %s", err, input.Hint)
}

func utf16le(s string) string { return utf16In(binary.LittleEndian, s) }

func utf16be(s string) string { return utf16In(binary.BigEndian, s) }

func utf16In(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func gzipped(s string) string {
	var b bytes.Buffer
	packed(gzip.NewWriter(&b), s)
	return b.String()
}

func zstandard(s string) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		panic(err)
	}
	packed(w, s)
	return b.String()
}

func packed(w io.WriteCloser, s string) {
	_, err := io.WriteString(w, s)
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
}

// TestKeysOfRejectedRows: whoever asks for keys is told what a row says of its user,
// although it is rejected, unless that is not certain.
func TestKeysOfRejectedRows(t *testing.T) {
	table, err := csvfile.Open(strings.NewReader("org,user,n\n,ann@acme.com,1\nother,auth0|x,2\nacme,,3\nacme,\"x\n"), csvfile.Dialect{OrgID: "acme", Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row, err := range table.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(row.Err != nil, " ", row.Keys))
	}
	want := []string{"false &{{name acme} {email ann@acme.com} }", "true &{{name other} {user_id auth0|x} }", "true &{{name acme} { } }", "true <nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUnusual(t *testing.T) {
	table, err := csvfile.Open(strings.NewReader("org_id,user_id\norg_a,auth0|1\norg_a,auth0|2\norg_a,4711\n"), csvfile.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range table.Rows() {
		if err != nil {
			t.Fatal(err)
		}
	}
	if table.Unusual("auth0|3") || table.Unusual("") || !table.Unusual("0815") {
		t.Error("the number is the unusual id")
	}
}
