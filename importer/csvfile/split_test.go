package csvfile

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

func TestSplitTakesQuotesAsTheyCome(t *testing.T) {
	for _, test := range []struct {
		record string
		want   []string
	}{
		{"", []string{""}},
		{"a,b\r\n", []string{"a", "b"}},
		{`a,"b`, []string{"a", "b"}},
		{`a,b"`, []string{"a", "b"}},
		{`a"b"c,d`, []string{`a"b"c`, "d"}},
		{`"a" , "b" ,c`, []string{"a", "b", "c"}},
		{`"a""b","c,d",`, []string{`a"b`, "c,d", ""}},
		{`"a"b,c"`, []string{`a"b`, "c"}},
	} {
		if got := split(test.record, ','); !slices.Equal(got, test.want) {
			t.Errorf("split(%q) = %q, want %q", test.record, got, test.want)
		}
	}
}

// Of what encoding/csv can read, split makes the same.
func FuzzSplit(f *testing.F) {
	f.Add(`a, "b""c" ,d`, ',')
	f.Add("\"a\r\nb\";\"c;d\"; \r\n", ';')
	f.Add("a\t\t\"b \"\t ", '\t')
	f.Fuzz(func(t *testing.T, record string, comma rune) {
		if !validDelimiter(comma) || strings.TrimLeft(record, "\r\n") != record {
			t.Skip() // a blank line is no record, and encoding/csv passes over it
		}
		r := csv.NewReader(strings.NewReader(record))
		r.Comma = comma
		r.TrimLeadingSpace = trimsSpace(comma)
		want, err := r.Read()
		if err != nil || r.InputOffset() != int64(len(record)) || strings.TrimSpace(record) == "" {
			t.Skip() // not one record
		}
		got := split(record, comma)
		for i := range got {
			got[i] = strings.TrimSpace(got[i])
		}
		for i := range want {
			want[i] = strings.TrimSpace(want[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("split(%q, %q) = %q, want %q", record, comma, got, want)
		}
	})
}
