package csvfile

import (
	"bytes"
	"regexp"
)

// tarMagicAt is where a tar archive says that it is one (POSIX.1).
const tarMagicAt = 257

// refuseFile returns an error for a file that begins with head and is not CSV, but
// one of the kinds that people take for it.
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
