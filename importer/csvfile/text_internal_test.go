package csvfile

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// The table must say of an encoding that any bytes fit if they do. A new encoding
// is held to it.
func TestAnyBytesFit(t *testing.T) {
	latin9 := textEncoding{"latin-9", "Latin-9", charmap.ISO8859_15, true}
	encodings = append(encodings, latin9)
	defer func() { encodings = encodings[:len(encodings)-1] }()
	for _, e := range encodings {
		fit := false
		if e.decoder != nil {
			text, err := e.decoder.NewDecoder().String("\xC3\xBC\xC3\xBC")
			fit = err == nil && utf8.RuneCountInString(text) == 4
		}
		if e.anyBytes != fit {
			t.Errorf("%s: any bytes fit: %v, want %v", e.name, e.anyBytes, fit)
		}
		if !fit {
			continue
		}
		header := "org_id,user_id\n"
		_, err := Open(strings.NewReader(header+"org_a,auth0|Jürgen\n"), Dialect{Encoding: e.name})
		if err == nil || !strings.Contains(err.Error(), "this is UTF-8, not "+e.title) {
			t.Errorf("%s: UTF-8 is read as it: %v", e.name, err)
		}
		far := header + strings.Repeat("\n", 2*sniffSize) + "org_a,auth0|Jürgen\n"
		table, err := Open(strings.NewReader(far), Dialect{Encoding: e.name})
		if err != nil {
			t.Fatal(err)
		}
		for row := range table.Rows() {
			if row.Err == nil || !strings.Contains(row.Err.Error(), "was read as "+e.title) {
				t.Errorf("%s: %+v", e.name, row)
			}
		}
		results := strings.Join([]string{"org_id", "user_id", "status"}, ",") + "\norg_a,auth0|Jürgen,failed\n"
		table, err = Open(strings.NewReader(results), Dialect{Encoding: e.name})
		if err != nil {
			t.Fatal(err)
		}
		for row := range table.Rows() {
			if row.UserID != "auth0|Jürgen" {
				t.Errorf("%s: results are in UTF-8: %+v", e.name, row)
			}
		}
	}
}
