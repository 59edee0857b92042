package csvfile

import (
	"errors"
	"fmt"
	"io"
)

// InputError says why a file can't be read, or not any further. Every error of
// [Open] is one, and every error of the range of [Table.Rows].
type InputError struct {
	line int // of the input; 0: the error is about the whole file
	text string
	hint string
	err  error // of the underlying reader

	elsewhere bool // see noHeader
	empty     bool
}

// Empty reports whether nothing is in the file.
func (e *InputError) Empty() bool { return e.empty }

// inputError returns an error about the whole file.
func inputError(hint, format string, args ...any) *InputError {
	return &InputError{text: fmt.Sprintf(format, args...), hint: hint}
}

// noHeader returns the error of a line that can't be the header, which may come
// further down.
func noHeader(hint, format string, args ...any) *InputError {
	e := inputError(hint, format, args...)
	e.elsewhere = true
	return e
}

func (e *InputError) Error() string {
	text := e.text
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	if e.line > 0 {
		return fmt.Sprintf("line %d: %s", e.line, text)
	}
	return text
}

// Hint says what to do about the error, and names the flag that settles it if
// there is one. It is empty if nothing is known to help.
func (e *InputError) Hint() string { return e.hint }

func (e *InputError) Unwrap() error { return e.err }

// unreadable returns the error of a file whose end can't be reached.
func (t *Table) unreadable(err error) error {
	e := unreadable(t.text.compression, err)
	e.line = t.lines.start
	if last := t.lines.start - 1; last > 0 {
		e.text += fmt.Sprintf(", after line %d", last)
	}
	return e
}

func unreadable(compression string, err error) *InputError {
	switch {
	case compression == "":
		return &InputError{text: "the file can't be read any further", hint: "make sure that the file can be read to its end", err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &InputError{text: "the " + compression + " data ends too early", hint: "the file is cut off: " + hintAgain, err: err}
	}
	return &InputError{text: "the " + compression + " data is damaged", hint: hintAgain, err: err}
}

const (
	hintAgain  = "get the file again"
	hintSave   = "save it as CSV (UTF-8) in the program it comes from"
	hintUnpack = "unpack it, or pack it with gzip or zstd"
)
