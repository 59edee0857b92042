package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// sniffSize is how much of a file is looked at to find out what it is.
const sniffSize = 4096

// openText goes from the bytes of a file to UTF-8 with lines that end in LF.
func (t *Table) openText(r io.Reader, d Dialect) (io.Reader, error) {
	raw := bufio.NewReaderSize(&sticky{r: r}, sniffSize)
	data, compression, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	t.compression = compression
	head, _ := data.Peek(sniffSize) // an error comes again when it is read
	if err := foreign(head, compression); err != nil {
		return nil, err
	}
	t.own = isOwn(head)
	named := strings.ToLower(d.Encoding)
	switch {
	case t.own && (named != encWindows1252 || isUTF8(head)):
		named = "" // it is the original's
	case named != "":
		if is := contradicts(head, named); is != "" {
			return nil, &InputError{
				text: fmt.Sprintf("this is %s, not %s", encodingTitle(is), encodingTitle(named)),
				hint: "leave out --encoding",
			}
		}
	}
	text, encoding := decode(data, named)
	t.encoding = encoding
	head, _ = text.Peek(sniffSize)
	if err := foreignText(head); err != nil {
		return nil, err
	}
	return &lineEnds{r: text}, nil
}

// sticky keeps returning the first error, as what is above it relies on: a
// terminal, for one, goes on after an end of file.
type sticky struct {
	r   io.Reader
	err error
}

func (s *sticky) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.r.Read(p)
	return n, s.err
}

// Decompress returns what is in r, which may be compressed in the ways an input
// may be.
func Decompress(r io.Reader) (io.Reader, error) {
	plain, _, err := decompress(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	return plain, nil
}

// decompress returns what is in r, and the name of the compression if it begins
// with the magic bytes of one: RFC 1952 for gzip, RFC 8878 for zstd. A file of
// several members is read as one.
func decompress(r *bufio.Reader) (*bufio.Reader, string, error) {
	head, _ := r.Peek(4) // an error comes again when it is read
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, "", &InputError{text: "the gzip data can't be read", hint: hintAgain, err: err}
		}
		return bufio.NewReader(&sticky{r: &members{gzip: z, r: r}}), "gzip", nil
	case bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}), isSkippable(head):
		// Concurrency 1 decodes in Read itself: no goroutine is left behind if
		// the reader is abandoned.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, "", &InputError{text: "the zstd data can't be read", hint: hintAgain, err: err}
		}
		return bufio.NewReader(&sticky{r: z}), "zstd", nil
	}
	return r, "", nil
}

// isSkippable reports whether a frame of zstd begins that is to be skipped, as
// pzstd writes before its data.
func isSkippable(head []byte) bool {
	return len(head) == 4 && head[0]>>4 == 5 && bytes.Equal(head[1:], []byte{0x2A, 0x4D, 0x18})
}

var gzipMagic = []byte{0x1F, 0x8B}

// members reads the members of a gzip file. What is written in blocks, as on
// tapes, has zeros behind the last one, up to the end of a block.
type members struct {
	gzip *gzip.Reader
	r    *bufio.Reader
	next bool // the member has ended
}

func (m *members) Read(p []byte) (int, error) {
	if m.next {
		if err := m.skipZeros(); err != nil {
			return 0, err
		}
		if err := m.gzip.Reset(m.r); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		m.next = false
	}
	m.gzip.Multistream(false)
	n, err := m.gzip.Read(p)
	if errors.Is(err, io.EOF) {
		m.next, err = true, nil
	}
	return n, err
}

// skipZeros goes to the next member, and returns io.EOF if there is none.
func (m *members) skipZeros() error {
	for {
		c, err := m.r.ReadByte()
		switch {
		case err != nil:
			return err
		case c != 0:
			return m.r.UnreadByte()
		}
	}
}

// The names of Dialect.Encoding.
const (
	encUTF8        = "utf-8"
	encUTF16       = "utf-16"
	encUTF16LE     = "utf-16le"
	encUTF16BE     = "utf-16be"
	encWindows1252 = "windows-1252"
)

var encodings = []string{encUTF8, encUTF16, encUTF16LE, encUTF16BE, encWindows1252}

func knownEncoding(name string) bool {
	return slices.Contains(encodings, strings.ToLower(name))
}

// decode returns r as UTF-8 without byte order mark, and what it was encoded
// in: name, if one is given.
func decode(r *bufio.Reader, name string) (*bufio.Reader, string) {
	if name == "" || name == encUTF16 {
		head, _ := r.Peek(sniffSize) // an error comes again when it is read
		name = sniffEncoding(head, name)
	}
	text := r
	if e := decoder(name); e != nil {
		text = bufio.NewReader(e.Reader(r))
	}
	if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
		_, _ = text.Discard(len(head)) // they are buffered
	}
	return text, name
}

// byteOrderMark is U+FEFF in UTF-8, which is what every encoding's mark becomes.
const byteOrderMark = "\uFEFF"

// decoder returns nil for UTF-8. A byte order mark passes it like any other
// character.
func decoder(name string) *encoding.Decoder {
	switch name {
	case encUTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder()
	case encUTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder()
	case encWindows1252:
		return charmap.Windows1252.NewDecoder()
	}
	return nil
}

// sniffEncoding returns the encoding of a file that begins with head: by its
// byte order mark, else by where the zero bytes are, which every second byte
// of ASCII in UTF-16 is. If want is UTF-16, only the byte order is open, and
// little endian where nothing tells, for that is how Windows writes it.
func sniffEncoding(head []byte, want string) string {
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return encUTF16LE
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return encUTF16BE
	case want == "" && bytes.HasPrefix(head, []byte(byteOrderMark)):
		return encUTF8
	}
	even, odd := zeroBytes(head)
	switch few := len(head) / 8; {
	case odd > few && odd > 4*even:
		return encUTF16LE
	case even > few && even > 4*odd:
		return encUTF16BE
	case want == encUTF16:
		return encUTF16LE
	}
	return encUTF8
}

func zeroBytes(b []byte) (even, odd int) {
	for i, c := range b {
		switch {
		case c != 0:
		case i%2 == 0:
			even++
		default:
			odd++
		}
	}
	return even, odd
}

func encodingTitle(name string) string {
	switch name {
	case encUTF16LE:
		return "UTF-16 (little endian)"
	case encUTF16BE:
		return "UTF-16 (big endian)"
	case encWindows1252:
		return "Windows-1252"
	case encUTF16:
		return "UTF-16"
	}
	return "UTF-8"
}

// contradicts returns what a file that begins with head is in, if it can't be in
// the encoding that is named.
func contradicts(head []byte, named string) string {
	is := sniffEncoding(head, "")
	switch wide := strings.HasPrefix(is, encUTF16); {
	case wide && named != is && named != encUTF16:
		return is
	case !wide && strings.HasPrefix(named, encUTF16) && len(head) > 0 && isUTF8(head) && bytes.IndexByte(head, 0) < 0:
		return encUTF8
	case named == encWindows1252 && isUTF8(head) && !isASCII(string(head)):
		return encUTF8
	}
	return ""
}

// isUTF8 reports whether the beginning of a file is UTF-8. Its last character may be
// cut off.
func isUTF8(head []byte) bool {
	if len(head) == sniffSize {
		last := len(head) - 1
		for last > len(head)-utf8.UTFMax && !utf8.RuneStart(head[last]) {
			last--
		}
		if !utf8.FullRune(head[last:]) {
			head = head[:last]
		}
	}
	return utf8.Valid(head)
}

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
