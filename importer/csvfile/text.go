package csvfile

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// sniffSize is how many bytes of a file are examined to find out what it is.
const sniffSize = 4096

// text is what a file holds: UTF-8 without byte order mark, with lines that end
// in LF.
type text struct {
	io.Reader
	compression string // empty: none
	encoding    string
	own         bool // the results of an earlier run, by its first line
}

// openText returns the text of a file in the named encoding; if the name is
// empty, the encoding is found out.
func openText(r io.Reader, encoding string) (text, error) {
	data, compression, err := decompress(bufio.NewReaderSize(&sticky{r: r}, sniffSize))
	if err != nil {
		return text{}, err
	}
	head, _ := data.Peek(sniffSize) // an error comes again when it is read
	if err := foreign(head, compression); err != nil {
		return text{}, err
	}
	own := isOwn(head)
	encoding = strings.ToLower(encoding)
	switch {
	case own && (encoding != encWindows1252 || isUTF8(head)):
		encoding = "" // it is the original's
	case encoding != "":
		if is := contradicts(head, encoding); is != "" {
			return text{}, inputError("leave out --encoding", "this is %s, not %s", encodingTitle(is), encodingTitle(encoding))
		}
	}
	decoded, encoding := decode(data, encoding)
	head, _ = decoded.Peek(sniffSize)
	if err := foreignText(head); err != nil {
		return text{}, err
	}
	return text{&lineEnds{decoded}, compression, encoding, own}, nil
}

// lineEnds reads a text whose lines end in LF, CRLF or CR, in any mixture, as one
// whose lines end in LF. Any number of carriage returns before a line feed
// belong to that line end: some programs turn LF into CRLF twice.
type lineEnds struct {
	r *bufio.Reader
}

func (l *lineEnds) Read(p []byte) (int, error) {
	if _, err := l.r.Peek(1); err != nil {
		return 0, err
	}
	buffered, _ := l.r.Peek(min(l.r.Buffered(), len(p)))
	if i := bytes.IndexByte(buffered, '\r'); i != 0 {
		if i > 0 {
			buffered = buffered[:i]
		}
		return l.r.Discard(copy(p, buffered))
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
