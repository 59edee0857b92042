package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"slices"
	"unicode/utf8"

	"golang.org/x/term"

	"orgimport/report"
)

// tty is a terminal that text is written to, where values from files and servers
// must not do anything: it shows control characters and does not obey them. It keeps
// the text apart from the line of progress, which may be on the same terminal.
type tty struct {
	file *os.File
	ui   *ui    // of the line of progress; nil: there is none
	cut  []byte // the begin of a character whose rest was not written yet
}

// ttyOf returns the terminal that w writes to, or w if that is none.
func ttyOf(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &tty{file: f}
	}
	return w
}

// withinLines is text that may hold control characters: line ends and tabs are those
// of the text, or harmless.
var withinLines = regexp.MustCompile(`[^\n\t]+`)

func (t *tty) Write(p []byte) (int, error) {
	if t.ui != nil {
		t.ui.mu.Lock()
		defer t.ui.mu.Unlock()
		t.ui.clear()
		t.ui.apart = !bytes.HasSuffix(p, []byte("\n"))
	}
	text := slices.Concat(t.cut, p)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= i
			}
			break
		}
	}
	t.cut = bytes.Clone(text[whole:])
	_, err := io.WriteString(t.file, withinLines.ReplaceAllStringFunc(string(text[:whole]), report.Printable))
	return len(p), err
}
