package csvfile_test

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"orgimport/importer/csvfile"
)

// Files that people have, and what must become of them. Each is one of a kind and
// names a public report about that kind.
func TestReportedFiles(t *testing.T) {
	const (
		comma     = "a value that holds the delimiter (comma) must be in quotes, or the file have another"
		pipe      = "a value that holds the delimiter (pipe) must be in quotes, or the file have another"
		backslash = `\N, which is how databases write that there is none`
		cut       = ", the last, has no line end: the file may be cut off"
		id        = "auth0|63d16b60c55b3650a5c9fff"
	)
	for _, test := range []struct {
		report  string
		data    string
		dialect csvfile.Dialect
		rows    []string
		notes   []string // loud ones begin with !
		about   string   // part of String
	}{
		{
			// The commas of distinguished names end up as columns.
			report: "mtth-bfft/adeleg#39",
			data:   "org_id,user_id\norg_tm,samlp|acme|CN=Ada,OU=Eng\norg_tm,auth0|2\n",
			rows: []string{
				"2  : 3 fields, the header has 2; " + comma + ": org_tm,samlp|acme|CN=Ada,OU=Eng",
				"3 org_tm auth0|2",
			},
		},
		{
			// R names rows, and gives their column no name.
			report: "https://stat.ethz.ch/R-manual/R-devel/library/utils/html/write.table.html",
			data:   "\"org_id\",\"user_id\"\n\"1\",\"org_a\",\"auth0|1\"\n",
			rows:   []string{`2  : 3 fields, the header has 2; if the first is the number of the row, the header needs a name for it: "1","org_a","auth0|1"`},
		},
		{
			// The same where an empty value at the end makes up for the comma.
			report: "mtth-bfft/adeleg#39",
			data:   "org_id,user_id,note\norg_tm,samlp|acme|CN=Ada,OU=Eng,\norg_tm,auth0|2,,\n",
			rows: []string{
				"2  : 4 fields, the header has 3; " + comma + ": org_tm,samlp|acme|CN=Ada,OU=Eng,",
				"3 org_tm auth0|2",
			},
		},
		{
			report: "activeviam/atoti-notebooks#135",
			data:   "org_id|user_id\norg_pp|auth0|1\norg_pp|google-oauth2|2\n",
			rows: []string{
				"2  : 3 fields, the header has 2; " + pipe + ": org_pp|auth0|1",
				"3  : 3 fields, the header has 2; " + pipe + ": org_pp|google-oauth2|2",
			},
		},
		{
			// The same where the file has a column for each part of the id.
			report: "activeviam/atoti-notebooks#135",
			data:   "org_id|user_id|name\norg_pp|google-oauth2|2\n",
			rows:   []string{`2  : "google-oauth2" is the beginning of an id that holds the delimiter: put it in quotes, or take another delimiter`},
		},
		{
			report: "mechatroner/vscode_rainbow_csv#18",
			data:   "org_id,user_id\n=\"org_fo\",=\"auth0|1\"\n\"=\"\"org_fo\"\"\",\"=\"\"auth0|2\"\"\"\norg_fo,auth0|3\n",
			rows:   []string{"2 org_fo auth0|1", "3 org_fo auth0|2", "4 org_fo auth0|3"},
		},
		{
			report: "parsecsv/parsecsv-for-php#213",
			data:   "org_id,user_id\norg_fo,\"=HYPERLINK(\"\"auth0|1\"\")\"\norg_fo,=A2\n",
			rows: []string{
				`2 org_fo : the user's id is a formula of a spreadsheet: =HYPERLINK("auth0|1")`,
				"3 org_fo : the user's id is a formula of a spreadsheet: =A2",
			},
		},
		{
			report: "nao1215/filesql#279",
			data:   "org_id,user_id\r\norg_mx,auth0|1\r\norg_mx,auth0|2\rorg_mx,auth0|3\rorg_mx,auth0|4\r\norg_mx,auth0|5\n",
			rows:   []string{"2 org_mx auth0|1", "3 org_mx auth0|2", "4 org_mx auth0|3", "5 org_mx auth0|4", "6 org_mx auth0|5"},
		},
		{
			// "Each string is prepended with a single-quote character."
			report: "https://auth0.com/docs/users/guides/bulk-user-exports",
			data:   "\"user_id\",\"org_id\",\"email\"\n\"'auth0|5f01\",\"org_a0exp\",\"'ada@example.com\"\n\"'auth0|5f02\",\"org_a0exp\",\"'bob@example.com\"\n",
			rows:   []string{"2 org_a0exp auth0|5f01", "3 org_a0exp auth0|5f02"},
			about:  "without the apostrophes of Auth0's export",
		},
		{
			report: "https://auth0.com/docs/users/guides/bulk-user-exports",
			data:   "user_id,email,org_id\n\"'auth0|5f01\",\"'ada@example.com\",\"'org_a0exp2\"\n\"'auth0|O'Neal\",\"'o@example.com\",\"'org_a0exp2\"\n",
			rows:   []string{"2 org_a0exp2 auth0|5f01", "3 org_a0exp2 auth0|O'Neal"},
			about:  "without the apostrophes of Auth0's export",
		},
		{
			// Rows of an export pasted under others.
			report: "https://auth0.com/docs/users/guides/bulk-user-exports",
			data:   "org_id,user_id\norg_a,auth0|1\norg_a,'auth0|2\n",
			rows: []string{
				"2 org_a auth0|1",
				"3 org_a 'auth0|2: the user's id begins with an apostrophe, as in Auth0's own export, but others in the column don't",
			},
		},
		{
			report:  "workadventure/workadventure#1786",
			data:    "org_id,user_id\norg_b2,samlp|acme|J\u00fcrgen\n",
			dialect: csvfile.Dialect{Encoding: "windows-1252"},
			rows:    []string{"error: this is UTF-8, not Windows-1252; hint: leave out --encoding"},
		},
		{
			// The same where the beginning of the file is ASCII.
			report:  "workadventure/workadventure#1786",
			data:    "org_id,user_id\n" + strings.Repeat("\n", 5000) + "org_b2,samlp|acme|J\u00fcrgen\n",
			dialect: csvfile.Dialect{Encoding: "windows-1252"},
			rows:    []string{`5002  : "org_b2", "samlp|acme|JÃ¼rgen" is UTF-8 that was read as Windows-1252: leave out --encoding: samlp|acme|JÃ¼rgen`},
		},
		{
			// The same where a character is cut off by the end of what is examined.
			report:  "workadventure/workadventure#1786",
			data:    "org_id,user_id\n" + strings.Repeat("\n", 4079) + "組織\n",
			dialect: csvfile.Dialect{Encoding: "windows-1252"},
			rows:    []string{"error: this is UTF-8, not Windows-1252; hint: leave out --encoding"},
		},
		{
			report:  "workadventure/workadventure#1786",
			data:    plainFile,
			dialect: csvfile.Dialect{Encoding: "utf-16"},
			rows:    []string{"error: this is UTF-8, not UTF-16; hint: leave out --encoding"},
		},
		{
			report:  "wireservice/csvkit#927",
			data:    utf16le("\uFEFF" + plainFile),
			dialect: csvfile.Dialect{Encoding: "utf-8"},
			rows:    []string{"error: this is UTF-16 (little endian), not UTF-8; hint: leave out --encoding"},
		},
		{
			report: "pcreux/csv-importer#109",
			data: "org_id,user_id\norg_zw,auth0|1\u200b\norg_zw,\u200eauth0|2\norg_zw,auth0|3\u00a0\norg_zw,\ufeffauth0|4\n" +
				"org_zw\u200b,auth0|5\norg_zw,auth0\u00ad|6\norg_zw,\u202aauth0|7\u202c\n\u200b,\u2060\n",
			rows: []string{
				"2 org_zw auth0|1", "3 org_zw auth0|2", "4 org_zw auth0|3", "5 org_zw auth0|4", "6 org_zw auth0|5",
				`7 org_zw : the user's id holds the invisible character U+00AD: "auth0\u00ad|6"`,
				"8 org_zw auth0|7",
			},
		},
		{
			report: "pola-rs/polars#16721",
			data:   "org_id,user_id\norg_bm,auth0|1\n\ufefforg_bm,auth0|2\norg_bm,auth0|3\n",
			rows:   []string{"2 org_bm auth0|1", "3 org_bm auth0|2", "4 org_bm auth0|3"},
		},
		{
			report: "firefly-iii/firefly-iii#691",
			data:   "org_id,user_id,name\r\norg_er,auth0|1,Ada\r\n,,\r\n , ,\r\n\u00a0,\"\",\u200b\r\norg_er,auth0|2,Bob\r\n,,\r\n,,\r\n",
			rows:   []string{"2 org_er auth0|1", "6 org_er auth0|2"},
		},
		{
			report: "OpenRefine/OpenRefine#653",
			data:   "org_id,user_id\norg_nu,auth0|1\x00\norg_nu,au\x00th0|2\norg_nu,auth0|3\n",
			rows: []string{
				`2 org_nu : the user's id holds a control character: "auth0|1\x00"`,
				`3 org_nu : the user's id holds a control character: "au\x00th0|2"`,
				"4 org_nu auth0|3",
			},
		},
		{
			report: "whitfin/s3-concat#3",
			data:   "org_id,user_id\norg_hr,auth0|1\nuser_id,org_id\nauth0|2,org_hr\nORG_ID,USER_ID\norg_hr,auth0|3\n",
			rows: []string{
				"2 org_hr auth0|1",
				"3  : the header again, with its columns in another order",
				"4 auth0|2 org_hr: the ids are swapped: the organization is where the user should be",
				"6 org_hr auth0|3",
			},
		},
		{
			// More rows of the other file than of the first.
			report: "whitfin/s3-concat#3",
			data:   "org_id,user_id\norg_hr,auth0|1\nuser_id,org_id\nauth0|2,org_hr\nauth0|3,org_hr\nauth0|4,org_hr\n",
			rows: []string{
				"2 org_hr auth0|1",
				"3  : the header again, with its columns in another order",
				"4 auth0|2 org_hr: the ids are swapped: the organization is where the user should be",
				"5 auth0|3 org_hr: the ids are swapped: the organization is where the user should be",
				"6 auth0|4 org_hr: the ids are swapped: the organization is where the user should be",
			},
		},
		{
			// Excel keeps 15 digits of a number, and shows fewer.
			report: "https://learn.microsoft.com/en-us/troubleshoot/microsoft-365-apps/excel/last-digits-changed-to-zeros",
			data:   resultsHeader + "\n2,org_a,1.23457E+17,failed,400,invalid_body,,1,c,t\n3,org_a,12345,failed,400,invalid_body,,1,c,t\n",
			rows:   []string{"2  : a spreadsheet has rounded a number", "3 org_a 12345"},
		},
		{
			report: "PowerShell/PowerShell#5131",
			data:   "#TYPE Selected.Microsoft.ActiveDirectory.Management.ADUser\n\"org_id\",\"user_id\"\n\"org_ps\",\"auth0|1\"\n",
			rows:   []string{"3 org_ps auth0|1"},
			notes:  []string{"the header is line 2: what stands above it is not read"},
			about:  "header on line 2",
		},
		{
			report: "https://github.com/MicrosoftDocs/azure-docs, groups-bulk-import-members",
			data:   "version:v1.0\norg_id,user_id\norg_az,auth0|1\n",
			rows:   []string{"3 org_az auth0|1"},
			notes:  []string{"the header is line 2: what stands above it is not read"},
			about:  "header on line 2",
		},
		{
			report: "JuliaData/CSV.jl#351",
			data:   "# exported 2026-01-01 by crm\n# rows: 2\norg_id,user_id\norg_cm,auth0|1\n# end of acme\norg_cm,auth0|2\n",
			rows:   []string{"4 org_cm auth0|1", "5  : a comment, not a row: # end of acme", "6 org_cm auth0|2"},
			notes:  []string{"the header is line 3: what stands above it is not read"},
		},
		{
			// A comment with as many commas as a row, and a value that a spreadsheet
			// could not find, which is none.
			report: "Mailtrain-org/mailtrain#875",
			data:   "org_id,user_id\n#acme,done\n#N/A,auth0|1\n",
			rows:   []string{"2  : a comment, not a row: #acme", "3 #N/A auth0|1"},
			notes:  []string{"!1 organization id has another form than the others, such as line 3 `#N/A`"},
		},
		{
			report: "parsecsv/parsecsv-for-php#70",
			data:   "\"org_id,user_id\"\n\"org_wq,auth0|1\"\n",
			rows: []string{`error: line 1: each line is quoted as a whole, so that there is one column only: "org_id,user_id"; ` +
				`hint: save the file without quotes around whole lines, or take them off: sed 's/^"//; s/"\r*$//; s/""/"/g'`},
		},
		{
			report: "parsecsv/parsecsv-for-php#70",
			data:   "org_id,user_id\n\"org_wq,auth0|1\"\n",
			rows:   []string{`2  : 1 field, the header has 2; the line is quoted as a whole: "org_wq,auth0|1"`},
		},
		{
			report: "OpenRefine/OpenRefine#1086",
			data:   "'org_id','user_id'\n'org_sq','auth0|1'\n",
			rows:   []string{`error: line 1: the values of column "org_id" are in single quotes: 'org_id'; hint: replace them by ", or take them out: only " is a quote in CSV`},
		},
		{
			// With numbers of rows, whose column has no name.
			report: "OpenRefine/OpenRefine#1086",
			data:   ",'org_id','user_id'\n1,'org_sq','auth0|1'\n",
			rows:   []string{`error: line 1: the values of column "org_id" are in single quotes: 'org_id'; hint: replace them by ", or take them out: only " is a quote in CSV`},
		},
		{
			report: "OpenRefine/OpenRefine#1086",
			data:   "org_id,user_id\norg_sq,“auth0|1”\n",
			rows:   []string{`error: the values of column "user_id" are in typographic quotes: “auth0|1”; hint: replace them by ", or take them out: only " is a quote in CSV`},
		},
		{
			// Values pasted from a text among others.
			report: "OpenRefine/OpenRefine#1086",
			data:   "org_id,user_id\norg_sq,auth0|1\norg_sq,‘auth0|2’\n'org_sq',auth0|3\n",
			rows: []string{
				"2 org_sq auth0|1",
				"3 org_sq : the user's id is in quotes that are none in CSV, but others in the column are not: ‘auth0|2’",
				"4 'org_sq' auth0|3: the organization's id is in quotes that are none in CSV, but others in the column are not",
			},
		},
		{
			report: "parsecsv/parsecsv-for-php#210",
			data:   "\"org_id\" , \"user_id\"\n\"org_sp\" , \"auth0|1\"\norg_sp , auth0|2\n",
			rows:   []string{"2 org_sp auth0|1", "3 org_sp auth0|2"},
		},
		{
			report: "golang/go#21672, golang/go#56329",
			data:   "org_id,user_id,note\norg_lz,auth0|1,5\" pipe\norg_lz,auth0|2,\"5\" pipe\"\norg_lz,auth0|3,ok\n",
			rows:   []string{"2 org_lz auth0|1", "3 org_lz auth0|2", "4 org_lz auth0|3"},
		},
		{
			// A quote that is never closed swallows rows up to the next.
			report: "johnkerl/miller#2165",
			data:   "org_id,user_id,note\norg_a,auth0|1,\"x\norg_a,auth0|2,y\norg_a,auth0|3,z\"\norg_a,auth0|4,\n",
			rows:   []string{"2 org_a auth0|1", "5 org_a auth0|4"},
			notes:  []string{"!line 2: a value in quotes goes over several lines, of which 2 look like rows of their own: is a quote missing?"},
		},
		{
			report: "alexpcosta/opengym#7",
			data:   "organization,email,note\nacme,ann@example.com,\"24 inch\nacme,bob@example.com,y\nacme,cleo@example.com,z\"\n",
			rows:   []string{"2  "},
			notes:  []string{"!line 2: a value in quotes goes over several lines, of which 2 look like rows of their own: is a quote missing?"},
		},
		{
			report: "C2FO/fast-csv#112",
			data:   "\"org_id\",\"user_id\",\"note\"\n\"org_my\",\"auth0|1\",\"said \\\"hi\\\", left\"\n\"org_my\",\"auth0|2\",\\N\n\"org_my\",\\N,\"x\"\n",
			rows: []string{
				`2  : a backslash before a quote, where CSV doubles the quote: "org_my","auth0|1","said \"hi\", left"`,
				"3 org_my auth0|2",
				`4 org_my \N: the user's id is ` + backslash,
			},
		},
		{
			report: "microsoft/go-sqlcmd#81",
			data:   "org_id,user_id\n------,-------\norg_ss,auth0|1\norg_ss,NULL\n\n(2 rows affected)\n",
			rows: []string{
				"2  : a ruled line, not a row",
				"3 org_ss auth0|1", "4 org_ss NULL",
				"6  : 1 field, the header has 2: (2 rows affected)",
			},
			notes: []string{"!1 user id has another form than the others, such as line 4 `NULL`"},
		},
		{
			report:  "microsoft/go-sqlcmd#81",
			data:    "user_id\n-------\nauth0|1\n\n(1 row affected)\n",
			dialect: csvfile.Dialect{OrgID: "org_ss"},
			rows:    []string{"2  : a ruled line, not a row", "3 org_ss auth0|1", "5  : a count of rows, not a row"},
		},
		{
			report: "microsoft/go-sqlcmd#620",
			data:   "org_id      user_id\n----------- -------\norg_ss      auth0|1\n",
			rows:   []string{`error: line 1: there are only spaces between the columns: "org_id      user_id"; hint: have it written with a delimiter, as by sqlcmd -s , -W`},
		},
		{
			report: "dbcli/mssql-cli#532",
			data:   " org_id | user_id \n--------+---------\n org_a  | auth0|1\n(1 row)\n",
			rows:   []string{"error: line 1: this is a table as psql or mysql draws it on a terminal, not CSV; hint: have it written as CSV: psql --csv, or mysql --batch"},
		},
		{
			report: "citusdata/citus#8401, darold/ora2pg#1518",
			data:   "org_id\tuser_id\norg_pg\tauth0|1\norg_pg\t\\N\n\\.\n",
			rows:   []string{"2 org_pg auth0|1", `3 org_pg \N: the user's id is ` + backslash},
		},
		{
			report: "votingworks/arlo#2148",
			data:   "org_id,user_id\norg_to,auth0|1\norg_to,auth0|2\nTotal,2\n",
			rows:   []string{"2 org_to auth0|1", "3 org_to auth0|2", "4 Total 2"},
			notes: []string{
				"!1 user id has another form than the others, such as line 4 `2`",
				"!1 organization id has another form than the others, such as line 4 `Total`",
			},
		},
		{
			report: "Rdatatable/data.table#1612",
			data:   "org_id,user_id\r\norg_cz,auth0|1\r\n\x1a",
			rows:   []string{"2 org_cz auth0|1"},
		},
		{
			report:  "DFE-Digital/apply-for-teacher-training#3568",
			data:    "org_id,user_id,name\norg_cp,auth0|1,J\xfcrgen\norg_cp,samlp|acme|J\xfcrgen,x\n",
			dialect: csvfile.Dialect{Keep: true},
			rows: []string{
				"2 org_cp auth0|1 [\"J\uFFFDrgen\"]",
				`3 org_cp  ["x"]: the user's id is not UTF-8 (if the file is in Windows-1252, add --encoding windows-1252): "samlp|acme|J\xfcrgen"`,
			},
			notes: []string{`1 value to be carried is not UTF-8, the first on line 2, column "name": give the encoding of the file, such as --encoding windows-1252`},
		},
		{
			report: "parsecsv/parsecsv-for-php#85",
			data:   "org_id,user_id\norg_lc," + id + "9\norg_lc,auth0|63d16b6",
			rows:   []string{"2 org_lc " + id + "9", "3 org_lc auth0|63d16b6"},
			notes: []string{
				"line 3" + cut,
				"!1 user id has another form than the others, such as line 3 `auth0|63d16b6`",
			},
		},
		{
			report: "pandas-dev/pandas#12005",
			data:   gzipped(tarred(plainFile)),
			rows:   []string{"error: this is a tar archive in gzip; hint: take the CSV file out of it, such as by tar -xf"},
		},
		{
			report: "pauldmccarthy/indexed_gzip#69",
			data:   gzipped(plainFile) + strings.Repeat("\x00", 512),
			rows:   want,
		},
		{
			report: "pauldmccarthy/indexed_gzip#69",
			data:   gzipped(plainFile) + strings.Repeat("\x00", 512) + "x",
			rows:   []string{"error: line 4: the gzip data ends too early, after line 3: unexpected EOF; hint: the file is cut off: get the file again"},
		},
		{
			report: "grokability/snipe-it#13878",
			data:   "organization,org_id,user_id\nacme,org_on,auth0|1\n",
			rows:   []string{"2 org_on auth0|1"},
		},
	} {
		t.Run(test.report, func(t *testing.T) {
			rows, about := read(strings.NewReader(test.data), test.dialect)
			if !slices.Equal(rows, test.rows) {
				t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(rows, "\n"), strings.Join(test.rows, "\n"))
			}
			if notes := notesOf(test.data, test.dialect); !slices.Equal(notes, test.notes) {
				t.Errorf("notes:\n%s\nwant:\n%s", strings.Join(notes, "\n"), strings.Join(test.notes, "\n"))
			}
			if !strings.Contains(about, test.about) {
				t.Errorf("String() = %s, want %s in it", about, test.about)
			}
		})
	}
}

// notesOf returns what there is to know about a file that can be read to its end.
func notesOf(data string, d csvfile.Dialect) (notes []string) {
	table, err := csvfile.Open(strings.NewReader(data), d)
	if err != nil {
		return nil
	}
	for range table.Rows() { //nolint:revive // to the end
	}
	for _, n := range table.Notes() {
		text := n.Text
		if n.Loud {
			text = "!" + text
		}
		notes = append(notes, text)
	}
	return notes
}

// tarred returns an archive with a file in it.
func tarred(data string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "members.csv", Mode: 0o600, Size: int64(len(data))}); err != nil {
		panic(err)
	}
	packed(w, data)
	return b.String()
}
