package ratelimit_test

import (
	"testing"

	"orgimport/ratelimit"
)

func TestReserveIsRead(t *testing.T) {
	for text, want := range map[string]string{
		"10%": "10%", "5": "5", "0": "0", "0%": "0", "12.5%": "12.5%", "90%": "90%", "7 %": "7%",
	} {
		var r ratelimit.Reserve
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("%q is read as %v, %v, want %s", text, r, err, want)
		}
	}
	for _, text := range []string{"", "%", "91%", "-1", "-5%", "NaN%", "ten", "1.5", "5%%"} {
		var r ratelimit.Reserve
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v, want an error", text, r)
		}
	}
}
