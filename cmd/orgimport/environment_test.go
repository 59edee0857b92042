package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSecretFromAFile is without the newline that editors add, but a key in DER keeps
// its last byte.
func TestSecretFromAFile(t *testing.T) {
	for content, want := range map[string]string{
		"s3cret":             "s3cret",
		"s3cret\r\n":         "s3cret",
		"s3cret\n\n":         "s3cret\n",
		"\x30\x82\x00\x01\n": "\x30\x82\x00\x01\n",
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		env := environmentOf(map[string]string{"AUTH0_API_TOKEN_FILE": path})
		got, err := env.value("AUTH0_API_TOKEN")
		if err != nil || got != want {
			t.Errorf("%q: %q, error %v, want %q", content, got, err, want)
		}
	}
}

func environmentOf(process map[string]string) *environment {
	return &environment{process: func(name string) string { return process[name] }, given: make(map[string]string)}
}
