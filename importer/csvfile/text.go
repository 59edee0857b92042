package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// text is what a file holds: UTF-8 without byte order mark, with lines that end
// in LF.
type text struct {
	lines       lineEnds
	compression string // empty: none
	encoding    textEncoding
	own         bool // the results of an earlier run, by its header
}

// openText returns the text of a file, whose encoding it detects if d leaves it
// open. It refuses what is not CSV, and JSON unless json is true.
func openText(r io.Reader, d Dialect, json bool) (*text, error) {
	data, compression, err := decompress(bufio.NewReaderSize(&sticky{r: r}, sniffSize))
	if err != nil {
		return nil, err
	}
	head, _ := data.Peek(sniffSize) // an error comes again when it is read
	if err := refuseFile(head, compression); err != nil {
		return nil, err
	}
	name, own := d.Encoding, !d.Plain && hasResults(head)
	switch {
	case name == "":
	case own && (!encodingNamed(name).anyBytes || isUTF8(head)):
		name = "" // it is the original's
	default:
		if is := contradicts(head, name); is != "" {
			return nil, inputError("leave out --encoding", "this is %s, not %s", encodingNamed(is).title, encodingNamed(name).title)
		}
	}
	decoded, encoding := decode(data, name)
	head, _ = decoded.Peek(sniffSize)
	if err := refuseText(head, json); err != nil {
		return nil, err
	}
	return &text{lineEnds{decoded}, compression, encoding, own}, nil
}

// Read returns an *[InputError] where the file can't be read any further.
func (t *text) Read(p []byte) (int, error) {
	n, err := t.lines.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case t.compression == "":
		err = &InputError{text: "the file can't be read any further", Hint: "make sure that the file can be read to its end", err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = &InputError{text: "the " + t.compression + " data ends too early", Hint: "the file is cut off: " + hintAgain, err: err}
	default:
		err = &InputError{text: "the " + t.compression + " data is damaged", Hint: hintAgain, err: err}
	}
	return n, err
}

// lineEnds reads a text whose lines end in LF, CRLF or CR, in any mixture, as one
// whose lines end in LF. All carriage returns before a line feed belong to it:
// some programs turn LF into CRLF twice.
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

const (
	hintAgain  = "get the file again"
	hintSave   = "save it as CSV (UTF-8) in the program it comes from"
	hintUnpack = "unpack it, or pack it with gzip or zstd"
)

// tarMagicAt is where a tar archive says that it is one (POSIX.1).
const tarMagicAt = 257

// refuseFile returns an error for a file that begins with head if that is a kind of
// file that people take for CSV.
func refuseFile(head []byte, compression string) error {
	if len(head) > tarMagicAt && bytes.HasPrefix(head[tarMagicAt:], []byte("ustar")) {
		what := "a tar archive"
		if compression != "" {
			what += " in " + compression
		}
		return inputError("take the CSV file out of it, such as by tar -xf", "this is %s", what)
	}
	for _, f := range foreignFiles {
		if bytes.HasPrefix(head, []byte(f.magic)) && bytes.Contains(head, []byte(f.contains)) {
			return inputError(f.hint, "this is %s", f.what)
		}
	}
	return nil
}

// foreignFiles are recognized by their first bytes, and archives also by the name
// of a file in them. The first match counts.
var foreignFiles = []struct{ magic, contains, what, hint string }{
	{"PK\x03\x04", "opendocument.spreadsheet", "a LibreOffice spreadsheet", hintSave},
	{"PK\x03\x04", "Index/Document.iwa", "a Numbers spreadsheet", hintSave},
	{"PK\x03\x04", "xl/", "an Excel workbook", hintSave},
	{"PK\x03\x04", "[Content_Types].xml", "an Excel workbook", hintSave},
	{"PK\x03\x04", "", "a ZIP archive", hintUnpack},
	{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "", "an Excel workbook of the old format", hintSave},
	{"%PDF-", "", "a PDF document", hintSave},
	{"BZh", "", "a bzip2 archive", hintUnpack},
	{"\xFD7zXZ\x00", "", "an xz archive", hintUnpack},
	{"7z\xBC\xAF\x27\x1C", "", "a 7-Zip archive", hintUnpack},
	{"\x04\x22\x4D\x18", "", "an LZ4 archive", hintUnpack},
	{"LZIP", "", "an lzip archive", hintUnpack},
	{"\x1F\x9D", "", "an archive of compress", hintUnpack},
	{gzipMagic, "", "compressed twice", "unpack it once"},
	{zstdMagic, "", "compressed twice", "unpack it once"},
	{"PAR1", "", "a Parquet file", hintSave},
	{"SQLite format 3\x00", "", "an SQLite database", hintSave},
	{"\xFF\xFE\x00\x00", "", "a text in UTF-32", "save it in UTF-8"},
	{"\x00\x00\xFE\xFF", "", "a text in UTF-32", "save it in UTF-8"},
}

// refuseText returns an error for a text that begins with head and is neither CSV
// nor, if json is true, JSON.
func refuseText(head []byte, json bool) error {
	start := bytes.TrimSpace(head)
	if json && len(start) > 0 && isJSON(start) {
		return nil
	}
	for _, f := range foreignTexts {
		if f.start.Match(start) {
			return inputError(f.hint, "this is %s", f.what)
		}
	}
	header := start
	if i := bytes.IndexAny(start, "\r\n"); i >= 0 {
		header = start[:i]
	}
	if bytes.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' }) {
		return inputError("save it as CSV; if it is text, give its encoding with --encoding", "this is a binary file")
	}
	return nil
}

// foreignTexts are recognized by their first characters. The first match counts.
var foreignTexts = []struct {
	start      *regexp.Regexp
	what, hint string
}{
	{
		regexp.MustCompile(`(?i)^<(!doctype html|html|head|body)`), "a web page, perhaps the login page in front of the file",
		"open the file's address in a browser and log in, then download the file itself",
	},
	{regexp.MustCompile(`(?i)^{\\rtf`), "a text with formatting (RTF)", hintSave},
	{regexp.MustCompile(`(?i)^<table`), "a table in HTML", hintSave},
	{regexp.MustCompile(`^<`), "an XML document", hintSave},
	// [org_id] is a name in SQL.
	{regexp.MustCompile(`^({|\[\s*($|[]{["]))`), "a JSON document", "turn it into a CSV file with a header org_id,user_id"},
}

// isJSON reports whether a text begins like JSON.
func isJSON(start []byte) bool { return bytes.ContainsAny(start[:1], "{[") }

// The first bytes of a compressed file, from RFC 1952 and RFC 8878.
const (
	gzipMagic = "\x1F\x8B"
	zstdMagic = "\x28\xB5\x2F\xFD"
)

// decompress returns the contents of r and the name of the compression, empty if
// there is none. It reads several members as one.
func decompress(r *bufio.Reader) (plain *bufio.Reader, compression string, err error) {
	head, _ := r.Peek(4) // an error comes again when it is read
	var unpacked io.Reader
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		compression = "gzip"
		var z *gzip.Reader
		z, err = gzip.NewReader(r)
		unpacked = &gzipMembers{gzip: z, r: r}
	case bytes.HasPrefix(head, []byte(zstdMagic)), isSkippable(head):
		compression = "zstd"
		// Concurrency 1 decodes in Read itself: no goroutine is left behind if
		// the reader is abandoned.
		unpacked, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	default:
		return r, "", nil
	}
	if err != nil {
		return nil, "", &InputError{text: "the " + compression + " data can't be read", Hint: hintAgain, err: err}
	}
	return bufio.NewReader(&sticky{r: unpacked}), compression, nil
}

// isSkippable reports whether head begins a skippable frame of zstd, which pzstd
// writes before its data.
func isSkippable(head []byte) bool {
	return len(head) == 4 && head[0]>>4 == 5 && string(head[1:]) == "\x2A\x4D\x18"
}

// gzipMembers reads the members of a gzip file. Files written in blocks, as on
// tapes, have zeros after the last member, up to the end of a block.
type gzipMembers struct {
	gzip  *gzip.Reader
	r     *bufio.Reader
	ended bool // the member
}

func (m *gzipMembers) Read(p []byte) (int, error) {
	if m.ended {
		if err := m.skipZeros(); err != nil {
			return 0, err
		}
		if err := m.gzip.Reset(m.r); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		m.ended = false
	}
	m.gzip.Multistream(false)
	n, err := m.gzip.Read(p)
	if errors.Is(err, io.EOF) {
		m.ended, err = true, nil
	}
	return n, err
}

// skipZeros skips to the next member. It returns io.EOF if there is none.
func (m *gzipMembers) skipZeros() error {
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

// sticky keeps returning its first error. A terminal, for one, can be read on after
// an end of file.
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

// The encodings that are detected.
const (
	encUTF8    = "utf-8"
	encUTF16   = "utf-16" // in either byte order
	encUTF16LE = "utf-16le"
	encUTF16BE = "utf-16be"
)

// textEncoding is an encoding that a file can have.
type textEncoding struct {
	name, title string // of Dialect.Encoding, and for messages

	// decoder is nil if none is needed, or if the byte order decides.
	decoder encoding.Encoding

	// anyBytes says that any bytes are text in it. It can't be detected, and what is
	// UTF-8 can be read as it, with other characters.
	anyBytes bool
}

var encodings = []textEncoding{
	{encUTF8, "UTF-8", nil, false},
	{encUTF16, "UTF-16", nil, false},
	{encUTF16LE, "UTF-16 (little endian)", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), false},
	{encUTF16BE, "UTF-16 (big endian)", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), false},
	{"windows-1252", "Windows-1252", charmap.Windows1252, true},
}

// Encodings returns what [Dialect].Encoding can be.
func Encodings() (names []string) {
	for _, e := range encodings {
		names = append(names, e.name)
	}
	return names
}

// encodingNamed returns the encoding with that name, which must be in the table.
func encodingNamed(name string) textEncoding {
	return encodings[slices.Index(Encodings(), name)]
}

// misread reports whether s was UTF-8 before it was decoded from this encoding.
func (e textEncoding) misread(s string) bool {
	if !e.anyBytes || isPlain(s) {
		return false
	}
	raw, err := e.decoder.NewEncoder().String(s)
	return err == nil && utf8.ValidString(raw) && !isASCII(raw)
}

// decode returns r as UTF-8 without byte order mark, and its encoding, which it
// detects as far as the name leaves it open.
func decode(r *bufio.Reader, name string) (*bufio.Reader, textEncoding) {
	if name == "" || name == encUTF16 {
		head, _ := r.Peek(sniffSize) // an error comes again when it is read
		name = sniffEncoding(head, name)
	}
	text, e := r, encodingNamed(name)
	if e.decoder != nil {
		text = bufio.NewReader(e.decoder.NewDecoder().Reader(r))
	}
	if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
		_, _ = text.Discard(len(head)) // they are buffered
	}
	return text, e
}

// hasResults reports whether a file that begins with head has the header of a
// results file, as written or as a spreadsheet has saved it.
func hasResults(head []byte) bool {
	decoded, _ := decode(bufio.NewReader(bytes.NewReader(head)), "")
	l := newLines(&lineEnds{decoded})
	l.skipSep()
	_, _, at, _ := resultsHeader(l.window())
	return at != nil
}

// sniffEncoding returns the encoding of a file that begins with head, by its byte
// order mark or by its zero bytes: every second byte of ASCII in UTF-16 is zero.
// If want is UTF-16, only the byte order is open, and little endian, as Windows
// writes it, is the default.
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

// contradicts returns the encoding of a file that begins with head if that can't be
// the named one.
func contradicts(head []byte, named string) string {
	is := sniffEncoding(head, "")
	switch wide := is != encUTF8; {
	case wide && named != is && named != encUTF16:
		return is
	case !wide && strings.HasPrefix(named, encUTF16) && len(head) > 0 && isUTF8(head) && bytes.IndexByte(head, 0) < 0:
		return encUTF8
	case encodingNamed(named).anyBytes && isUTF8(head) && !isASCII(string(head)):
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
