package csvfile_test

import (
	"io"
	"strings"
	"testing"

	"orgimport/importer/csvfile"
)

func TestTextIsWhatAFileMeans(t *testing.T) {
	const users = "user_id,email\nauth0|1,ann@example.com\n\n\"auth0|2\",\"b, c\"\n"
	for _, test := range []struct{ name, data, want string }{
		{"CSV", users, users},
		{"JSON", "\uFEFF\r\n{\"user_id\":\"a;b\"}\r\n", "\n{\"user_id\":\"a;b\"}\n"},
		{"an array", utf16le("\uFEFF[{\"a\":1}]"), "[{\"a\":1}]"},
		{"zstd", zstandard(users), users},
		{"gzip of two members", gzipped(users[:30]) + gzipped(users[30:]), users},
		{
			"tabs in UTF-16", utf16le("\uFEFFuser_id\temail\r\nauth0|1\tann@example.com\r\n\r\nauth0|2\tb, c\r\n"),
			strings.ReplaceAll(users, `"auth0|2"`, "auth0|2"),
		},
		{"sep=", "sep=;\nuser_id;email\nauth0|1;x\n", "\nuser_id,email\nauth0|1,x\n"},
		{"sep= of commas", "sep=,\nuser_id,email\nauth0|1,x\n", "\nuser_id,email\nauth0|1,x\n"},
		{"pipes", "user_id|email\n\"auth0|1\"|x", "user_id,email\nauth0|1,x\n"},
		{"a value of two lines", "a;b\n\"x\ny\";z\nu;v\n", "a,b\n\"x\ny\",z\nu,v\n"},
		{"a record that can't be read", "a;b;c\nx;\"y;z\nu;v;w\n", "a,b,c\n\"x;\"\"y;z\"\nu,v,w\n"},
		{"nothing", "", ""},
	} {
		text, err := csvfile.Text(strings.NewReader(test.data))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := io.ReadAll(text)
		if string(got) != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	for data, want := range map[string]string{
		gzipped(gzipped(users)): "this is compressed twice",
		"PK\x03\x04xl/":         "this is an Excel workbook",
		"<!DOCTYPE html>":       "this is a web page, perhaps the login page in front of the file",
		gzipped(users)[:40]:     "the gzip data ends too early: unexpected EOF",
	} {
		text, err := csvfile.Text(strings.NewReader(data))
		if err == nil {
			_, err = io.ReadAll(text)
		}
		if got := failure(err); !strings.HasPrefix(got, "error: "+want+"; hint") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestResultsTextIsWhatARunWrites(t *testing.T) {
	const as = resultsHeader + ",mail\n2,org_a,auth0|1,added,204,,,1,c,t,\"x, y\"\n3,org_a,auth0|2,failed,,,,1,c,t,\n"
	tabs := strings.NewReplacer(",", "\t", "\n", "\r\n", `"x, y"`, "x, y").Replace(as)
	short := strings.ReplaceAll(strings.TrimSuffix(strings.ReplaceAll(as, `"x, y"`, "?"), ",\n")+"\n", ",", ";")
	for _, test := range []struct{ name, data, want, lacks string }{
		{"as written", as, as, ""},
		{"as written, and torn", as[:40], as[:40], ""},
		{"torn, with zeros", "line,org_id\x00\x00", "line,org_id\x00\x00", ""},
		{"nothing", "", "", ""},
		{"UTF-16, tabs, CRLF", utf16le("\uFEFF" + tabs), as, ""},
		{"quotes, CR", strings.ReplaceAll("\"line\""+as[4:], "\n", "\r"), as, ""},
		{"CRLF, and no last line end", strings.TrimSuffix(strings.ReplaceAll(as, "\n", "\r\n"), "\r\n"), as, ""},
		{"CR", strings.ReplaceAll(as, "\n", "\r"), as, ""},
		{"an empty column behind", strings.ReplaceAll(as, "\n", ",\n"), as, ""},
		{"sep=, empty values left out", "sep=;\n" + short, strings.ReplaceAll(as, `"x, y"`, "?"), ""},
		{
			"columns moved, renamed, taken out and added",
			"Note,Status,User ID,org_id\nok,added,auth0|1,org_a\nx,Failed,auth0|2,org_b,,\ntoo,many,values,in,it\n\nx,added,auth0|3",
			resultsHeader + ",Note\n2,org_a,auth0|1,added,,,,,,,ok\n3,org_b,auth0|2,Failed,,,,,,,x\n\"too,many,values,in,it\"\n6,,auth0|3,added,,,,,,,x", "line",
		},
	} {
		text, err := csvfile.OpenResults(strings.NewReader(test.data))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for range 2 {
			got, err := io.ReadAll(text)
			if string(got) != test.want || err != nil {
				t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
			}
			if _, err := text.Seek(0, io.SeekStart); err != nil {
				t.Error(err)
			}
		}
		err = text.Lacks("org_id", "line")
		if said := err != nil; said != (test.lacks != "") || said && !strings.Contains(err.Error(), test.lacks) {
			t.Errorf("%s: lacks %v, want %q", test.name, err, test.lacks)
		}
	}
	for data, want := range map[string]string{
		"org_id,user_id\norg_a,auth0|1\n":         `error: this is not a results file: its first line should begin with "` + resultsHeader + `"; hint: name a file that a run wrote as its --results`,
		"org_id,status,user_id,STATUS\na,b,c,d\n": `error: more than one column could be the status: "status", "STATUS"; hint: rename all but one of them in the file`,
	} {
		if _, err := csvfile.OpenResults(strings.NewReader(data)); failure(err) != want {
			t.Errorf("got %s, want %s", failure(err), want)
		}
	}
}
