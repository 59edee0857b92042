package csvfile_test

import (
	"slices"
	"strings"
	"testing"

	"orgimport/importer/csvfile"
)

// What nobody makes for an id or a key is told before anything is sent, also where
// the whole column has that form.
func TestNotesOnTheFormOfIDsAndKeys(t *testing.T) {
	const (
		ids     = "org_id,user_id\n"
		several = "or brackets or quotes"
	)
	for _, test := range []struct {
		name, data string
		dialect    csvfile.Dialect
		want       []string
	}{
		{
			"e-mails for ids", ids + "org_a,ann@example.com\norg_a,bob@example.com\n", csvfile.Dialect{},
			[]string{"!2 user ids are e-mail addresses, the first on line 2 `ann@example.com`: rename the column to email, or add --user-by email"},
		},
		{
			"an e-mail among ids", ids + "org_a,auth0|1\norg_a,bob@example.com\n", csvfile.Dialect{},
			[]string{"!1 user id is an e-mail address, the first on line 3 `bob@example.com`: rename the column to email, or add --user-by email"},
		},
		{
			"URL-encoded", ids + "org_a,auth0%7C1\norg_a,auth0%7c2\n", csvfile.Dialect{},
			[]string{"!2 user ids are URL-encoded, the first on line 2 `auth0%7C1`: %7C stands for |, %40 for @: decode them"},
		},
		{
			"encoded twice, and an e-mail", "org_id,user_id\norg_a,auth0%257C1\n", csvfile.Dialect{},
			[]string{"!1 user id is URL-encoded, the first on line 2 `auth0%257C1`: %7C stands for |, %40 for @: decode them"},
		},
		{
			"escapes", "org_id,user_id\norg_a,auth0\\|1\norg_a,auth0\\|2\n", csvfile.Dialect{},
			[]string{"!2 user ids hold a backslash before a mark, the first on line 2 `auth0\\|1`: CSV has quotes for that: \\| stands for |"},
		},
		{
			"a directory's users", "org_id,user_id\norg_a,ad|ACME\\ann\norg_a,samlp|acme|bob%40acme.com\n", csvfile.Dialect{}, nil,
		},
		{
			"failed formulas", "org,user\nacme,#DIV/0!\n#BEZUG!,auth0|2\nacme;beta,auth0|3\n", csvfile.Dialect{},
			[]string{
				"!1 user id has another form than the others, such as line 2 `#DIV/0!`",
				"!1 organization name holds several, or brackets or quotes, the first on line 4 `acme;beta`: give each its own row",
				"!1 organization name has another form than the others, such as line 3 `#BEZUG!`",
			},
		},
		{"a comma in an id", ids + "org_a,\"samlp|acme|CN=Ada,OU=Eng\"\norg_a,waad|a b\n", csvfile.Dialect{}, nil},
		{
			"N/A and the like among e-mails", "org_id,email\norg_a,ann@example.com\norg_a,N/A\norg_a,-\norg_a,#REF!\norg_a,1.2E+5\norg_a,bob@example.com;cyd@example.com\n", csvfile.Dialect{},
			[]string{
				"!1 e-mail holds several, or brackets or quotes, the first on line 7 `bob@example.com;cyd@example.com`: give each its own row",
				"!4 e-mails have another form than the others, such as line 3 `N/A`, line 6 `1.2E+5`",
			},
		},
		{
			"numbers among phone numbers", "org_id,phone\norg_a,+15551230001\norg_a,15551230001\norg_a,\"1,55512E+10\"\norg_a,+1 555 123 0001\n",
			csvfile.Dialect{UserColumn: "phone", UserBy: "phone_number"},
			[]string{"!2 phone numbers have another form than the others, such as line 3 `15551230001`, line 4 `1,55512E+10`"},
		},
		{"keys of any form", "org_id,nr\norg_a,4711\norg_a,x\n", csvfile.Dialect{UserColumn: "nr", UserBy: "app_metadata.nr"}, nil},
		{"an organization that a spreadsheet could not find", "org,email\nacme,ann@example.com\n#N/A,bob@example.com\n", csvfile.Dialect{},
			[]string{"!1 organization name has another form than the others, such as line 3 `#N/A`"}},
		{
			"a column id with ids", "Id,org_id,email\nauth0|1,org_a,ann@example.com\nauth0|2,org_a,bob@example.com\n", csvfile.Dialect{},
			[]string{`!the column "Id" has ids of users, which are not read: add --user-column Id`},
		},
		{"a column id of somebody", "Id,org_id,email\n1,org_a,ann@example.com\n", csvfile.Dialect{}, nil},
		{"a column id beside ids", "Id,org_id,user_id\nauth0|1,org_a,auth0|1\n", csvfile.Dialect{}, nil},
		{
			"a key that a spreadsheet has changed", resultsHeader + ",email,org\n2,,,rejected,,organization_not_found,no organization has the name 0123,0,,t,ann@example.com,123\n" +
				"3,,,rejected,,user_not_found,\"no user has the e-mail bob@example.com, not in u.csv\",0,,t,Bob@example.com,acme\n", csvfile.Dialect{},
			[]string{"!1 key is not the one for which the earlier run found nobody, the first on line 2: it is 123, and its message: no organization has the name 0123: did a spreadsheet change it?"},
		},
	} {
		if got := notesOf(test.data, test.dialect); !slices.Equal(got, test.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	for _, value := range []string{"auth0|1 auth0|2", "auth0|1;auth0|2", `"auth0|1,auth0|2"`, `"{auth0|1,auth0|2}"`, "b'auth0|1'", `"[""auth0|1""]"`, `"""auth0|1"""`} {
		got := notesOf("org_id,user_id\norg_a,"+value+"\norg_a,auth0|3\n", csvfile.Dialect{})
		if len(got) != 1 || !strings.HasPrefix(got[0], "!1 user id holds several, "+several) {
			t.Errorf("%s: %q", value, got)
		}
	}
}

// A column id is nobody's, but whoever has no other is told.
func TestTableNamesTheColumnWithIDs(t *testing.T) {
	for data, want := range map[string]string{
		"Id,org_id\nauth0|1,org_a\n": `error: line 1: no column for the user: the header has "Id", "org_id"; hint: the column "Id" has ids of users: add --user-column Id`,
		"Id,org_id\n17,org_a\n":      `error: line 1: no column for the user: the header has "Id", "org_id"; hint: name it with --user-column`,
		"Id,user\nauth0|1,auth0|1\n": `error: line 1: no column for the organization: the header has "Id", "user"; hint: name it with --org-column, or give every row one organization with --org`,
	} {
		if got, _ := read(strings.NewReader(data), csvfile.Dialect{}); !slices.Equal(got, []string{want}) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// A stray quote in the name of a column that is not used costs nothing.
func TestTableTakesAHeaderWithStrayQuotes(t *testing.T) {
	for _, header := range []string{`5" note`, `emails[type eq "work"].value`, `"note`, `no"te`} {
		for _, data := range []string{
			"org_id,user_id," + header + "\norg_a,auth0|1,x\norg_b,auth0|2,y\n",
			"org_id,user_id," + header + "\norg_a,auth0|1,x\norg_b,auth0|2,\"y\"\n",
			"org_id,user_id," + header + "\norg_a,auth0|1,x\norg_b,auth0|2,y\"\n",
		} {
			if got, _ := read(strings.NewReader(data), csvfile.Dialect{}); !slices.Equal(got, want) {
				t.Errorf("%q: %q", data, got)
			}
		}
	}
}

func TestTableRefusesTheSameNameTwice(t *testing.T) {
	for _, header := range []string{"user_id,sub,sub", "user_id,user_id", "email,email,user_id"} {
		got, _ := read(strings.NewReader("org_id,"+header+"\norg_a,1,2,3\n"), csvfile.Dialect{})
		if len(got) != 1 || !strings.Contains(got[0], "more than one column could be the user") {
			t.Errorf("%s: %q", header, got)
		}
	}
	if got, _ := read(strings.NewReader("org_id,User ID,user_id\norg_a,x,auth0|1\n"), csvfile.Dialect{}); !slices.Equal(got, []string{"2 org_a auth0|1"}) {
		t.Errorf("user_id wins: %q", got)
	}
}

func TestTableTellsDoubledQuotes(t *testing.T) {
	for data, want := range map[string]string{
		"\"\"org_id\"\",\"\"user_id\"\"\n\"\"org_a\"\",\"\"auth0|1\"\"\n": "error: line 1: the quotes are doubled: \"\"org_id\"\",\"\"user_id\"\"; hint: save the file with quotes once, or take the others off: sed 's/\"\"/\"/g'",
		"org_id,user_id\n\"\"org_a\"\",\"\"auth0|1\"\"\n":                 "2  : doubled quotes, where CSV has one: \"\"org_a\"\",\"\"auth0|1\"\"",
	} {
		if got, _ := read(strings.NewReader(data), csvfile.Dialect{}); !slices.Equal(got, []string{want}) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
