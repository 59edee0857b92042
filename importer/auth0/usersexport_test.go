package auth0

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// readUsers shows the users of an export, one a line.
func readUsers(r io.Reader, kinds ...string) (lines []string, x usersExport, err error) {
	x.kinds = kinds
	err = x.read(r, func(u user) {
		lines = append(lines, fmt.Sprint(u.ID, " ", u.Connection, " ", u.Verified, " ", u.Keys))
	})
	return lines, x, err
}

func gzipped(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUsersExportOfEveryShape(t *testing.T) {
	tests := []struct{ name, export, want string }{
		{"flat", `{"user_id":"auth0|1","email":"ann@acme.com","email_verified":true,"identities[0].connection":"db","app_metadata.nr":"7"}`, "auth0|1 db true [{email ann@acme.com} {app_metadata.nr 7}]"},
		{"nested", `{"user_id":"auth0|1","email":"ann@acme.com","email_verified":true,"identities":[{"connection":"db"},{"connection":"ad"}],"app_metadata":{"nr":"7"}}`, "auth0|1 db true [{email ann@acme.com} {app_metadata.nr 7}]"},
		{"half nested", `{"user_id":"auth0|1","identities[0]":{"connection":"db"},"app_metadata":{"nr":7}}`, "auth0|1 db false [{app_metadata.nr 7}]"},
		{"omitted", `{"user_id":"auth0|1","email":"ann@acme.com"}`, "auth0|1  false [{email ann@acme.com}]"},
		{"null", `{"user_id":"auth0|1","email":null,"email_verified":null,"identities[0].connection":null,"app_metadata":null}`, "auth0|1  false []"},
		{"of other types", `{"user_id":"auth0|1","email":["x"],"email_verified":"true","identities":{},"app_metadata":{"nr":{"a":1}}}`, "auth0|1  true []"},
		{"empty", `{"user_id":"auth0|1","email":"","identities":[]}`, "auth0|1  false []"},
		{"escapes", `{"user_id":"auth0\u007c1","email":"\u00e4nn\"@acme.com"}`, `auth0|1  false [{email änn"@acme.com}]`},
		{"a lost character", "{\"user_id\":\"auth0|1\",\"email\":\"\xff@acme.com\"}", "auth0|1  false []"},
		{"csv", "user_id,email,email_verified,identities[0].connection,app_metadata.nr\n'auth0|1,'ann@acme.com,true,'db,'7\n", "auth0|1 db true [{email ann@acme.com} {app_metadata.nr 7}]"},
		{"csv in quotes", "\"user_id\",\"email\",\"email_verified\"\r\n\"'auth0|1\",\"''ann@acme.com\",\"'true\"\r\n", "auth0|1  true [{email 'ann@acme.com}]"},
		{"csv without the quote", "email,user_id\n'ann@acme.com,auth0|1\n", "auth0|1  false [{email 'ann@acme.com}]"},
		{"csv with empty values", "user_id,email\n'auth0|1,\n", "auth0|1  false []"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for how, export := range map[string]io.Reader{
				"plain":      strings.NewReader(tt.export),
				"compressed": bytes.NewReader(gzipped(t, tt.export)),
				"with a BOM": strings.NewReader("\uFEFF" + tt.export),
			} {
				got, _, err := readUsers(export, "email", "app_metadata.nr")
				if err != nil || !slices.Equal(got, []string{tt.want}) {
					t.Errorf("%s: got %q, %v\nwant %q", how, got, err, tt.want)
				}
			}
		})
	}
}

func TestUsersExportSaysWhichFieldsItHolds(t *testing.T) {
	_, x, err := readUsers(strings.NewReader("{\"user_id\":\"a|1\",\"email\":null}\n\n{\"user_id\":\"a|2\",\"email\":\"x@y\"}\n"), "email", "username")
	if err != nil || x.users != 2 || !x.seen["email"] || x.seen["username"] || x.seen["email_verified"] {
		t.Errorf("%+v, %v", x, err)
	}
	_, x, err = readUsers(strings.NewReader("user_id,username\n"), "email", "username")
	if err != nil || x.users != 0 || x.seen["email"] || !x.seen["username"] {
		t.Errorf("%+v, %v", x, err)
	}
	if _, x, err = readUsers(strings.NewReader("")); err != nil || x.users != 0 {
		t.Errorf("an empty file: %+v, %v", x, err)
	}
}

func TestUsersExportThatIsNone(t *testing.T) {
	for export, want := range map[string]string{
		"<html>":                           "line 1 begins with '<'",
		`[{"user_id":"a|1"}]`:              "line 1 begins with '['",
		"{\"user_id\":\"a|1\"}\nsecret\n":  "line 2 is not a JSON object",
		"email\nx@y\n":                     "no column user_id",
		"user_id,email,email\na|1,x,y\n":   `"email" twice`,
		"user_id,email\na|1,x,secret\n":    "line 2 has 3 values for 2 columns",
		"user_id,email\na|1,se\"cret\n":    "line 2 is not CSV",
		"user_id,email\n\"a|1,secret,x\n ": "is not CSV",
	} {
		_, _, err := readUsers(strings.NewReader(export))
		if e, ok := errors.AsType[*formatError](err); !ok || !strings.Contains(e.Error(), want) || strings.Contains(e.Error(), "secret") {
			t.Errorf("%q: %v, want %q", export, err, want)
		}
	}
}

func TestUsersExportThatIsCutOff(t *testing.T) {
	whole := strings.Repeat(`{"user_id":"auth0|1","email":"ann@acme.com"}`+"\n", 100)
	for name, cut := range map[string][]byte{
		"plain":      []byte(whole)[:len(whole)-20],
		"compressed": gzipped(t, whole)[:60],
		"at a line":  gzipped(t, whole)[:len(gzipped(t, whole))-8],
	} {
		if _, _, err := readUsers(bytes.NewReader(cut)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzUsersExport(f *testing.F) {
	f.Add([]byte(`{"user_id":"auth0|1","email":"ann@acme.com","identities":[{"connection":"db"}],"app_metadata":{"nr":7}}`))
	f.Add([]byte("user_id,email\n'auth0|1,'ann@acme.com\n"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte(`{"user_id":"a","app_metadata":{"nr":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, export []byte) {
		users := 0
		x := usersExport{kinds: []string{"email", "app_metadata.nr", "user_metadata.a.b"}}
		err := x.read(bytes.NewReader(export), func(u user) {
			users++
			if u.ID == "" {
				t.Error("a user without an id")
			}
			for _, k := range u.Keys {
				if k.Value == "" {
					t.Errorf("an empty key %q", k.Kind)
				}
			}
		})
		if err == nil && users > x.users {
			t.Errorf("%d users told, %d counted", users, x.users)
		}
	})
}

func BenchmarkUsersExport(b *testing.B) {
	line := `{"user_id":"auth0|5f7c8ec7c33c6c004bbafe82","email":"employee.1234567@customer.com","email_verified":true,"identities[0].connection":"Username-Password-Authentication"}` + "\n"
	export := strings.Repeat(line, 100_000)
	b.SetBytes(int64(len(export)))
	for b.Loop() {
		x := usersExport{kinds: []string{"email"}}
		if err := x.read(strings.NewReader(export), func(user) {}); err != nil || x.users != 100_000 {
			b.Fatal(err)
		}
	}
}

// An unfinished record is not a record.
func TestARecordOfAnExportHasAnEnd(t *testing.T) {
	for _, start := range []string{`{"user_id":"`, "user_id,email\n\"auth0|1", "user_id,\""} {
		endless := strings.NewReader(strings.Repeat("x", maxUserLine+1))
		if _, _, err := readUsers(io.MultiReader(strings.NewReader(start), endless)); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("%q: %v", start, err)
		}
	}
}
