package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The names of Dialect.Encoding.
const (
	encUTF8        = "utf-8"
	encUTF16       = "utf-16" // in either byte order
	encUTF16LE     = "utf-16le"
	encUTF16BE     = "utf-16be"
	encWindows1252 = "windows-1252"
)

// encodings lists the encodings with their titles for messages. UTF-8 needs no
// decoder, and UTF-16 gets that of its byte order.
var encodings = []struct {
	name, title string
	decoder     encoding.Encoding
}{
	{encUTF8, "UTF-8", nil},
	{encUTF16, "UTF-16", nil},
	{encUTF16LE, "UTF-16 (little endian)", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{encUTF16BE, "UTF-16 (big endian)", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{encWindows1252, "Windows-1252", charmap.Windows1252},
}

func encodingNames() (names []string) {
	for _, e := range encodings {
		names = append(names, e.name)
	}
	return names
}

func encodingTitle(name string) string {
	return encodings[slices.Index(encodingNames(), name)].title
}

// byteOrderMark is U+FEFF in UTF-8, which every encoding's mark becomes.
const byteOrderMark = "\uFEFF"

// decode returns r as UTF-8 without byte order mark, and its encoding: name,
// unless that leaves it open.
func decode(r *bufio.Reader, name string) (*bufio.Reader, string) {
	if name == "" || name == encUTF16 {
		head, _ := r.Peek(sniffSize) // an error comes again when it is read
		name = sniffEncoding(head, name)
	}
	text := r
	for _, e := range encodings {
		if e.name == name && e.decoder != nil {
			text = bufio.NewReader(e.decoder.NewDecoder().Reader(r))
		}
	}
	if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
		_, _ = text.Discard(len(head)) // they are buffered
	}
	return text, name
}

// sniffEncoding returns the encoding of a file that begins with head: by its
// byte order mark, otherwise by the zero bytes, because every second byte of
// ASCII in UTF-16 is zero. If want is UTF-16, only the byte order is open: it is
// little endian, as Windows writes it, unless head shows otherwise.
func sniffEncoding(head []byte, want string) string {
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return encUTF16LE
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return encUTF16BE
	case want == "" && bytes.HasPrefix(head, []byte(byteOrderMark)):
		return encUTF8
	}
	var zeros [2]int // at even and at odd offsets
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	switch few, even, odd := len(head)/8, zeros[0], zeros[1]; {
	case odd > few && odd > 4*even:
		return encUTF16LE
	case even > few && even > 4*odd:
		return encUTF16BE
	case want == encUTF16:
		return encUTF16LE
	}
	return encUTF8
}

// contradicts returns the encoding of a file that begins with head if it can't be
// the named one.
func contradicts(head []byte, named string) string {
	is := sniffEncoding(head, "")
	switch wide := is != encUTF8; {
	case wide && named != is && named != encUTF16:
		return is
	case !wide && strings.HasPrefix(named, encUTF16) && len(head) > 0 && isUTF8(head) && bytes.IndexByte(head, 0) < 0:
		return encUTF8
	case named == encWindows1252 && isUTF8(head) && !isASCII(string(head)):
		return encUTF8
	}
	return ""
}

// isUTF8 reports whether the beginning of a file is UTF-8. Its last character may
// be cut off.
func isUTF8(head []byte) bool {
	whole := len(head) < sniffSize
	_, _, err := encoding.UTF8Validator.Transform(make([]byte, len(head)), head, whole)
	return err == nil || errors.Is(err, transform.ErrShortSrc)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
