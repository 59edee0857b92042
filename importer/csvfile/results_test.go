package csvfile_test

import (
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// saved is a results file as people have it back: columns taken out, moved, renamed
// and added, and saved by other programs.
var saved = []struct {
	name, data string
	ours       bool
	err        string
}{
	{"as written", resultsHeader + "\n2,org_a,auth0|1,added,204,,,1,c,t\n", true, ""},
	{"columns taken out", "org_id,user_id,status,message\norg_a,auth0|1,added,\n", true, ""},
	{"a column in front", "note,org_id,user_id,status\nok,org_a,auth0|1,added\n", true, ""},
	{"names in other letters", "Org ID;User-ID;STATUS\norg_a;auth0|1;Added \n", true, ""},
	{"a pipe, after a line of Excel", "sep=|\norg_id|status|user_id\norg_a|failed|\"auth0|1\"\n", true, ""},
	{"UTF-16", utf16le("\uFEFForg_id\tuser_id\tstatus\r\norg_a\tauth0|1\tadded\r\n"), true, ""},
	{"gzip", gzipped("org_id,user_id,status\norg_a,auth0|1,added\n"), true, ""},
	{"a copied column of the same name", "status," + resultsHeader + ",message\nx,2,org_a,auth0|1,added,204,,,1,c,t,y\n", true, ""},
	{"the statuses taken out", "line,org_id,user_id,error_code,message,attempts,correlation_id\n2,org_a,auth0|1,,,1,c\n", true, `these results lack the column "status"`},
	{"a log", "timestamp,org_id,user_id,message,correlation_id\nt,org_a,auth0|1,x,c\n", false, ""},
	{"statuses taken out, but for the last", "org_id,user_id,status\norg_a,auth0|1,\n" + strings.Repeat("org_a,auth0|2,\n", 500) + "org_a,auth0|3,failed\n", true, ""},
	{"statuses translated", resultsHeader + "\n2,org_a,auth0|1,hinzugefügt,204,,,1,c,t\n", true, `line 2: no run writes the status "hinzugefügt"`},
	{"all but the statuses", resultsHeader + "\n2,org_a,auth0|1,,204,,,1,c,t\n", true, ""},
	{"statuses taken out", "org_id,user_id,status\norg_a,auth0|1,\n", false, ""},
	{"a list with a status of its own", "org_id,user_id,status\norg_a,auth0|1,active\norg_a,auth0|2,left\n", false, ""},
	{"two columns of theirs", "org,user_id,status\norg_a,auth0|1,added\n", false, ""},
	{"no status", "line,org_id,user_id\n2,org_a,auth0|1\n", false, ""},
	{"a status that is not ours", "org_id,user_id,status\norg_a,auth0|1,active\norg_a,auth0|2,added\n", true, `line 2: no run writes the status "active"`},
	{"a list with a name twice", "org_id,message,user_id,Message,status\norg_a,x,auth0|1,y,active\n", false, ""},
	{"a name twice", "org_id,message,user_id,Message,status\norg_a,x,auth0|1,y,added\n", true, `more than one column could be the message: "message", "Message"`},
	{"two statuses", "org_id,status,user_id,Status\norg_a,added,auth0|1,added\n", false, `line 1: more than one column could be the status: "status", "Status"`},
}

func TestIsResults(t *testing.T) {
	for _, test := range saved {
		ours, err := csvfile.IsResults(strings.NewReader(test.data), csvfile.Dialect{})
		said := ""
		if err != nil {
			said = err.Error()
		}
		if ours != test.ours || said != test.err {
			t.Errorf("%s: %v, %q, want %v, %q", test.name, ours, said, test.ours, test.err)
		}
	}
}

// A row of a results file is settled, or the range ends: it is never one of a list.
func TestResultsAreNoList(t *testing.T) {
	for _, test := range saved {
		if !test.ours {
			continue
		}
		table, err := csvfile.Open(strings.NewReader(test.data), csvfile.Dialect{Earlier: func(csvfile.Result) error { return errBad }})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for row, err := range table.Rows() {
			if err == nil && !errors.Is(row.Err, errBad) {
				t.Errorf("%s: %+v", test.name, row)
			}
		}
	}
}

// Every status of the table is one of ours. Those of organizations are no input: their
// results name no users.
func TestEveryStatusIsOurs(t *testing.T) {
	for _, s := range importer.Statuses() {
		ours, err := csvfile.IsResults(strings.NewReader("org_id,user_id,status\norg_a,auth0|1,"+strings.ToUpper(string(s.Status))+"\n"), csvfile.Dialect{})
		if !ours || (err != nil) != (s.Claim == importer.ClaimExists) {
			t.Errorf("%s: %v, %v", s.Status, ours, err)
		}
	}
}

func TestTableNamesTheColumnThatResultsLack(t *testing.T) {
	names, err := csv.NewReader(strings.NewReader(resultsHeader)).Read()
	if err != nil || !slices.Equal(names, importer.ResultColumns()) {
		t.Fatalf("%q, %v", names, err)
	}
	open := func(header string) *csvfile.Table {
		table, err := csvfile.Open(strings.NewReader(header+"\n"), csvfile.Dialect{})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	for i, name := range names {
		if name == "org_id" || name == "user_id" || name == "status" {
			continue
		}
		table := open(strings.Join(slices.Delete(slices.Clone(names), i, i+1), ","))
		if err := table.Lacks(names...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := open(resultsHeader).Lacks(names...); err != nil {
		t.Error(err)
	}
	if err := open("org_id,user_id").Lacks(names...); err != nil {
		t.Errorf("a list: %v", err)
	}
}

// The ids in what a run has written are ids, whatever flags the original needs.
func TestIDsThatARunHasWrittenWin(t *testing.T) {
	by := csvfile.Dialect{UserColumn: "Mail", UserBy: "email", OrgColumn: "Customer", OrgBy: "metadata.nr"}
	for _, data := range []string{
		"org_id,user_id\norg_a,auth0|1\n",
		"org_id,user_id,Mail,Customer\norg_a,auth0|1,ann@example.com,7\n",
		"org_id,org_name,user_id,email,name\norg_a,acme,auth0|1,ann@example.com,Ann\n",
		resultsHeader + ",Mail\n2,org_a,auth0|1,failed,,,,1,c,t,ann@example.com\n",
	} {
		for _, d := range []csvfile.Dialect{by, {UserBy: "username", OrgBy: "display_name"}, {UserColumn: "user_id", UserBy: "email"}} {
			rows, _ := read(strings.NewReader(data), d)
			if !slices.Equal(rows, []string{"2 org_a auth0|1"}) {
				t.Errorf("%q, %+v: %q", data, d, rows)
			}
		}
	}
	if got := notesOf("org_id,user_id\norg_a,auth0|1\n", by); !slices.Equal(got, []string{`!no column is called "Customer", "Mail": the ids in org_id and user_id count`}) {
		t.Errorf("notes %q", got)
	}
	// What does not look like an id is a key, if a flag says so.
	table, err := csvfile.Open(strings.NewReader("org_id,user_id\norg_a,ann@example.com\n"), csvfile.Dialect{UserBy: "email"})
	if err != nil {
		t.Fatal(err)
	}
	for row := range table.Rows() {
		if row.UserID != "" || row.Keys == nil || row.Keys.User.Kind != importer.KindEmail {
			t.Errorf("%+v", row)
		}
	}
}
