package csvfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

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
	name = strings.ToLower(name)
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

// sniffSize is how much of a file is looked at to find out what it is.
const sniffSize = 4096

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
	encoding := d.Encoding
	switch {
	case t.own && (encoding != encWindows1252 || isUTF8(head)):
		encoding = "" // it is the original's
	case encoding != "":
		if is := contradicts(head, strings.ToLower(encoding)); is != "" {
			return nil, &InputError{
				text: fmt.Sprintf("this is %s, not %s", encodingTitle(is), encodingTitle(strings.ToLower(encoding))),
				hint: "leave out --encoding",
			}
		}
	}
	text, encoding := decode(data, encoding)
	t.encoding = encoding
	head, _ = text.Peek(sniffSize)
	if err := foreignText(head); err != nil {
		return nil, err
	}
	return &lineEnds{r: text}, nil
}

// contradicts returns what a file that begins with head is in, if it can't be in
// the encoding that is named.
func contradicts(head []byte, named string) string {
	is := sniffEncoding(head, "")
	switch wide := strings.HasPrefix(is, encUTF16); {
	case wide && named != is && named != encUTF16:
		return is
	case !wide && strings.HasPrefix(named, encUTF16) && isUTF8(head) && !bytes.Contains(head, []byte{0}) && len(head) > 0:
		return encUTF8
	case named == encWindows1252 && isUTF8(head) && !isASCII(string(head)):
		return encUTF8
	}
	return ""
}

// isUTF8 reports whether the begin of a file is UTF-8. Its last character may be
// cut off.
func isUTF8(head []byte) bool {
	for range utf8.UTFMax {
		if utf8.Valid(head) {
			return true
		}
		if len(head) == 0 || utf8.RuneStart(head[len(head)-1]) && len(head) < sniffSize {
			return false
		}
		head = head[:len(head)-1]
	}
	return false
}

// isOwn reports whether a file that begins with head is one of ours, as written
// or as a spreadsheet has saved it.
func isOwn(head []byte) bool {
	text, _ := decode(bufio.NewReaderSize(bytes.NewReader(head), sniffSize), "")
	head, _ = text.Peek(sniffSize)
	head = bytes.TrimLeft(head, "\r\n \t")
	if line, rest, _ := bytes.Cut(head, []byte("\n")); len(line) > 0 {
		if _, ok := sepLine(line); ok {
			head = rest
		}
	}
	for _, delimiter := range delimiters {
		names := splitHeader(bytes.ReplaceAll(head, []byte("\r"), []byte("\n")), delimiter)
		for i, name := range names {
			names[i] = cleanName(name)
		}
		if isResults(names) {
			return true
		}
	}
	return false
}
