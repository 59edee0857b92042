package csvfile

import (
	"bytes"
	"strings"
)

// tarMagicAt is where a tar archive says that it is one (POSIX.1).
const tarMagicAt = 257

// foreign returns an error for a file that begins with head and is no CSV file,
// but one of those that are taken for one.
func foreign(head []byte, compression string) error {
	if len(head) > tarMagicAt && bytes.HasPrefix(head[tarMagicAt:], []byte("ustar")) {
		what := "a tar archive"
		if compression != "" {
			what += " in " + compression
		}
		return &InputError{text: "this is " + what, hint: "take the CSV file out of it, such as by tar -xf"}
	}
	for _, f := range foreignFiles {
		if bytes.HasPrefix(head, []byte(f.magic)) && bytes.Contains(head, []byte(f.contains)) {
			return &InputError{text: "this is " + f.what, hint: f.hint}
		}
	}
	return nil
}

const (
	hintSave   = "save it as CSV (UTF-8) in the program it comes from"
	hintUnpack = "unpack it, or pack it with gzip or zstd"
)

// foreignFiles are told by their first bytes, and archives also by the name of
// a file in them. The first that fits counts.
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
	{"\x1F\x8B", "", "compressed twice", "unpack it once"},
	{"\x28\xB5\x2F\xFD", "", "compressed twice", "unpack it once"},
	{"PAR1", "", "a Parquet file", hintSave},
	{"SQLite format 3\x00", "", "an SQLite database", hintSave},
	{"\xFF\xFE\x00\x00", "", "a text in UTF-32", "save it in UTF-8"},
	{"\x00\x00\xFE\xFF", "", "a text in UTF-32", "save it in UTF-8"},
}

// foreignText returns an error for a text that begins with head and is no CSV
// text.
func foreignText(head []byte) error {
	start := strings.ToLower(string(bytes.TrimSpace(head[:min(len(head), sniffSize)])))
	for _, p := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if strings.HasPrefix(start, p) {
			return &InputError{
				text: "this is a web page, perhaps the login page in front of the file",
				hint: "open the file's address in a browser and log in, then download the file itself",
			}
		}
	}
	header, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case strings.HasPrefix(start, `{\rtf`):
		return &InputError{text: "this is a text with formatting (RTF)", hint: hintSave}
	case strings.HasPrefix(start, "<"):
		return &InputError{text: "this is an XML document", hint: hintSave}
	case strings.HasPrefix(start, "{"), strings.HasPrefix(start, "["):
		return &InputError{text: "this is a JSON document", hint: "turn it into a CSV file with a header org_id,user_id"}
	case bytes.IndexByte(header, 0) >= 0:
		return &InputError{text: "this is a binary file", hint: "save it as CSV; if it is text, give its encoding with --encoding"}
	}
	return nil
}
