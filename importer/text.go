package importer

import (
	"bufio"
	"io"
)

// openText goes from the bytes of a file to UTF-8 with lines that end in LF or
// CRLF.
func (t *Table) openText(r io.Reader, d Dialect) (io.Reader, error) {
	raw := bufio.NewReader(&sticky{r: r})
	data, compression, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	t.compression = compression
	head, _ := data.Peek(sniffSize) // an error comes again when it is read
	if err := foreign(head); err != nil {
		return nil, err
	}
	text, encoding := decode(data, d.Encoding)
	t.encoding = encoding
	head, _ = text.Peek(sniffSize)
	if err := foreignText(head); err != nil {
		return nil, err
	}
	if endsInCR(head) {
		return &carriageReturns{r: text}, nil
	}
	return text, nil
}
