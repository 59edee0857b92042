package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSecretFromAFile: the newline that editors add is dropped, but a key in DER
// keeps its last byte.
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
		got, err := env.value(t.Context(), "AUTH0_API_TOKEN")
		if err != nil || got != want {
			t.Errorf("%q: %q, error %v, want %q", content, got, err, want)
		}
	}
}

func environmentOf(process map[string]string) *environment {
	return &environment{process: func(name string) string { return process[name] }, given: make(map[string]string)}
}

// TestSecretWithoutAnEnd: a signal ends the wait for a pipe that nobody writes to,
// and an endless file is not read to its end.
func TestSecretWithoutAnEnd(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context, path string) error {
		_, err := environmentOf(map[string]string{"AUTH0_API_TOKEN_FILE": path}).value(ctx, "AUTH0_API_TOKEN")
		return err
	}
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { done <- read(ctx, pipe) }()
	signal := errors.New("stopped by SIGTERM")
	stop(signal)
	if err := <-done; !errors.Is(err, signal) {
		t.Errorf("a pipe: %v", err)
	}
	for path, want := range map[string]string{"/dev/zero": "larger than 1 MiB", t.TempDir(): "it is a folder", "/nowhere/s3cret": "no such file"} {
		err := read(t.Context(), path)
		if e := exitOf(err); err == nil || !strings.Contains(err.Error(), want) || e.code != exitUsage || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A writer ends the wait of the goroutine that opens the pipe.
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}
