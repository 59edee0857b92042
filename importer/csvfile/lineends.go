package csvfile

import "io"

// endsInCR reports whether the lines of a file that begins with head end in a
// carriage return alone, as the first line break outside of quotes does. Any
// number of them before a line feed is a line break with a line feed: some
// programs turn LF into CRLF twice.
func endsInCR(head []byte) bool {
	quoted, cr := false, false
	for _, c := range head {
		switch {
		case cr && c != '\r':
			return c != '\n'
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\n':
			return false
		case c == '\r':
			cr = true
		}
	}
	return cr
}

// carriageReturns reads a text whose lines end in CR as one whose lines end in
// LF. The text may have CRLF here and there.
type carriageReturns struct {
	r  io.Reader
	cr bool // the last byte was one
}

func (c *carriageReturns) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	out := p[:0]
	for _, b := range p[:n] {
		switch {
		case b == '\r':
			out = append(out, '\n')
		case b != '\n' || !c.cr:
			out = append(out, b)
		}
		c.cr = b == '\r'
	}
	return len(out), err
}
