package csvfile

import (
	"bufio"
	"bytes"
)

// lineEnds reads a text in which lines end in LF, CRLF or CR, in any mixture, as
// one whose lines end in LF. Any number of carriage returns before a line feed
// are one line end with it: some programs turn LF into CRLF twice.
type lineEnds struct {
	r *bufio.Reader
}

func (l *lineEnds) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := l.r.Peek(1); err != nil {
		return 0, err
	}
	buffered, _ := l.r.Peek(min(l.r.Buffered(), len(p)))
	if i := bytes.IndexByte(buffered, '\r'); i != 0 {
		if i > 0 {
			buffered = buffered[:i]
		}
		n := copy(p, buffered)
		return l.r.Discard(n)
	}
	p[0] = '\n'
	_, err := l.r.Discard(l.end())
	return 1, err
}

// end returns the length of the line end that the text begins with.
func (l *lineEnds) end() int {
	for n := 1; ; n++ {
		next, err := l.r.Peek(n + 1)
		switch {
		case err != nil: // the end of the text, or more than anybody writes
			return 1
		case next[n] == '\n':
			return n + 1
		case next[n] != '\r':
			return 1
		}
	}
}
