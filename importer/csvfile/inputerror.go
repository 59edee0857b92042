package csvfile

import (
	"errors"
	"fmt"
	"io"
)

// InputError says why a file can't be read, or not any further. Every error of
// [Open] is one, and every error of the range of [Table.Rows].
type InputError struct {
	// Line is the physical line of the input that the error is about, counted
	// from 1; 0 if it is about the whole file.
	Line int

	text string
	hint string
	err  error // what the reader underneath said, if it did

	elsewhere bool // about a line that is not the header, which may stand below
}

func (e *InputError) Error() string {
	text := e.text
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Hint says what to do about it, and names the flag that settles it if there is
// one. It is empty if nothing is known to help.
func (e *InputError) Hint() string { return e.hint }

func (e *InputError) Unwrap() error { return e.err }

// unreadable is the error of a file whose end can't be reached.
func (t *Table) unreadable(err error) error {
	e := &InputError{
		Line: t.lines.start,
		text: "the file can't be read any further",
		hint: "make sure that the file can be read to its end",
		err:  err,
	}
	if t.compression != "" {
		e.text = "the " + t.compression + " data is damaged"
		e.hint = hintAgain
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e.text = "the " + t.compression + " data ends too early"
			e.hint = "the file is cut off: " + hintAgain
		}
	}
	if last := t.lines.start - 1; last > 0 {
		e.text += fmt.Sprintf(", after line %d", last)
	}
	return e
}
