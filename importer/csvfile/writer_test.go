package csvfile_test

import (
	"strings"

	"orgimport/importer/csvfile"
)

// writer writes a CSV file in one of the dialects that people's programs do. It
// shares nothing with what reads it.
type writer struct {
	Delimiter   string
	LineEnd     string
	Encoding    string // as in csvfile.Dialect
	Mark        bool   // begin with a byte order mark
	Sep         bool   // begin with a line sep=
	Compression string // "", "gzip", "gzip in two members" or "zstd"
	QuoteAll    bool
	NoLastEnd   bool // the last line has no end

	text strings.Builder
	line int
}

// record writes a record and returns the line where it starts.
func (w *writer) record(values ...string) int {
	start := w.line + 1
	for i, v := range values {
		if i > 0 {
			w.text.WriteString(w.Delimiter)
		}
		w.text.WriteString(w.quote(v))
	}
	w.blank("")
	return start
}

// blank writes a line with nothing in it but spaces.
func (w *writer) blank(spaces string) {
	w.text.WriteString(spaces)
	w.text.WriteString(w.LineEnd)
	w.line = strings.Count(w.text.String(), w.LineEnd)
}

func (w *writer) quote(v string) string {
	if !w.QuoteAll && !strings.ContainsAny(v, "\"\r\n"+w.Delimiter) && strings.TrimSpace(v) == v {
		return v
	}
	v = strings.ReplaceAll(v, "\"", "\"\"")
	return "\"" + strings.ReplaceAll(v, "\n", w.LineEnd) + "\""
}

// file returns all that was written.
func (w *writer) file() string {
	text := w.text.String()
	if w.Sep {
		text = "sep=" + w.Delimiter + w.LineEnd + text
	}
	if w.Mark {
		text = "\uFEFF" + text
	}
	if w.NoLastEnd {
		text = strings.TrimSuffix(text, w.LineEnd)
	}
	switch w.Encoding {
	case "utf-16le":
		text = utf16le(text)
	case "utf-16be":
		text = utf16be(text)
	}
	switch w.Compression {
	case "gzip":
		text = gzipped(text)
	case "gzip in two members":
		text = gzipped(text[:len(text)/2]) + gzipped(text[len(text)/2:])
	case "zstd":
		text = zstandard(text)
	}
	return text
}

// dialect is what has to be said to have the file read.
func (w *writer) dialect() csvfile.Dialect {
	d := csvfile.Dialect{Keep: true}
	if !w.Mark {
		// Without a mark, UTF-16 is found by its many zeros, which not every
		// text has.
		d.Encoding = w.Encoding
	}
	return d
}
