package auth0_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orgimport/importer/auth0"
)

func TestBlame(t *testing.T) {
	for _, test := range []struct {
		message string
		ids     []string
		want    []string
	}{
		{"The user auth0|2 does not exist.", []string{"auth0|1", "auth0|2", "auth0|3"}, []string{"auth0|2"}},
		{"users do not exist: auth0|3, auth0|1", []string{"auth0|1", "auth0|2", "auth0|3"}, []string{"auth0|1", "auth0|3"}},
		{"users do not exist: auth0|3,auth0|1", []string{"auth0|1", "auth0|2", "auth0|3"}, []string{"auth0|1", "auth0|3"}},
		{"nobody is named", []string{"auth0|1", "auth0|2"}, nil},
		{"", []string{"auth0|1", "auth0|2"}, nil},
		{"auth0|1 and auth0|2", []string{"auth0|1", "auth0|2"}, nil},
		{"auth0|1", []string{"auth0|1"}, nil},
		{"auth0|1", nil, nil},

		// on the borders of words
		{"no auth0|12", []string{"auth0|1", "auth0|2"}, nil},
		{"no auth0|12", []string{"auth0|1", "auth0|12"}, []string{"auth0|12"}},
		{"no xauth0|1", []string{"auth0|1", "auth0|2"}, nil},
		{"no auth0|1.", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no auth0|1. Sorry", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no auth0|1.5", []string{"auth0|1", "auth0|2"}, nil},
		{"no auth0|1...", []string{"auth0|1", "auth0|1..", "b"}, []string{"auth0|1.."}},
		{"no 'auth0|1'", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{`no "auth0|1"`, []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{`no \"auth0|1\"`, []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no [auth0|1]", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no (auth0|1);", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"auth0|1: unknown", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no “auth0|1”", []string{"auth0|1", "auth0|2"}, []string{"auth0|1"}},
		{"no auth0|1@x", []string{"auth0|1", "auth0|1@x"}, []string{"auth0|1@x"}},

		// ids within ids
		{"no samlp|acme|a@b.c", []string{"samlp|acme|a@b.c", "acme|a@b.c", "samlp|acme|a@b", "samlp|acme"}, []string{"samlp|acme|a@b.c"}},
		{"no waad|x,y", []string{"waad|x", "y", "waad|x,y"}, []string{"waad|x,y"}},
		{"no auth0|o'brien", []string{"auth0|o", "brien", "auth0|o'brien"}, []string{"auth0|o'brien"}},
		{"no auth0|ü", []string{"auth0|ü", "auth0|u"}, []string{"auth0|ü"}},
		{"no auth0|üb", []string{"auth0|ü", "auth0|u"}, nil},
		{"no 用户|一", []string{"用户|一", "用户|二"}, []string{"用户|一"}},
		{`no ad|ACME\joe`, []string{`ad|ACME\joe`, "ad|ACME"}, []string{`ad|ACME\joe`}},
		{"aa aaa", []string{"aa", "b"}, []string{"aa"}},

		// by place
		{"Payload validation error: 'Expected type string but found type object' on property members[1].", []string{"a|1", "a|2", "a|3"}, []string{"a|2"}},
		{"Payload validation error: 'Object didn't pass validation for format user-id-with-max-length: a|3' on property members[2].", []string{"a|1", "a|2", "a|3"}, []string{"a|3"}},
		{"on property members[7]", []string{"a|1", "a|2"}, nil},
		{"on property members[99999999999999999999]", []string{"a|1", "a|2"}, nil},
		{"no auth0|members[0]", []string{"a|1", "auth0|members[0]"}, []string{"auth0|members[0]"}},
		{"on property organization_members[0]", []string{"a|1", "a|2"}, nil},
	} {
		e := &auth0.Error{Status: 400, Message: test.message}
		if got := e.Blame(test.ids); !slices.Equal(got, test.want) {
			t.Errorf("%q of %q: blamed %q, want %q", test.message, test.ids, got, test.want)
		}
	}
}

func TestOnlyARefusalOfRowsBlames(t *testing.T) {
	for _, status := range []int{0, 302, 401, 429, 500} {
		e := &auth0.Error{Status: status, Message: "not auth0|1"}
		if got := e.Blame([]string{"auth0|1", "auth0|2"}); got != nil {
			t.Errorf("%d blames %q", status, got)
		}
	}
}

// TestBlameFindsWhoIsNamed names some of the users in the ways that messages do:
// exactly those are blamed, however similar the ids are.
func TestBlameFindsWhoIsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`(a|b|auth0\|){1,2}[ab1|@._ü-]{0,3}[ab1]`), 2, 10, rapid.ID).Draw(t, "ids")
		var named []string
		for _, id := range ids {
			if rapid.Bool().Draw(t, id) {
				named = append(named, id)
			}
		}
		style := rapid.SampledFrom([]string{"%s", "'%s'", `"%s"`, "[%s]", "(%s)"}).Draw(t, "style")
		quoted := make([]string, len(named))
		for i, id := range rapid.Permutation(named).Draw(t, "order") {
			quoted[i] = fmt.Sprintf(style, id)
		}
		separator := rapid.SampledFrom([]string{", ", ",", "; ", " "}).Draw(t, "separator")
		e := &auth0.Error{Status: 400, Message: "Unknown: " + strings.Join(quoted, separator) + "."}
		want := named
		if len(named) == len(ids) {
			want = nil
		}
		if got := e.Blame(ids); !slices.Equal(got, want) {
			t.Fatalf("%q of %q: blamed %q, want %q", e.Message, ids, got, want)
		}
	})
}

func FuzzBlame(f *testing.F) {
	f.Add("The user auth0|2 does not exist.", "auth0|1\nauth0|2\nauth0|3")
	f.Add("on property members[1].", "a\nb")
	f.Add("a|ü. \xff", "a|ü\n\xff")
	f.Fuzz(func(t *testing.T, message, list string) {
		ids := strings.Split(list, "\n")
		got := (&auth0.Error{Status: 400, Message: message}).Blame(ids)
		if len(got) >= len(ids) {
			t.Errorf("all of %q are blamed", ids)
		}
		for _, id := range got {
			if !slices.Contains(ids, id) {
				t.Errorf("%q is blamed and was not in the batch", id)
			}
			if !strings.Contains(message, id) && !strings.Contains(message, "members[") {
				t.Errorf("%q is blamed and not named in %q", id, message)
			}
		}
	})
}
