package csvfile

import (
	"bufio"
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const hintAgain = "get the file again"

// decompress returns what is in r, and the name of the compression if it begins
// with the magic bytes of one: RFC 1952 for gzip, RFC 8878 for zstd. A file of
// several members is read as one.
func decompress(r *bufio.Reader) (*bufio.Reader, string, error) {
	head, _ := r.Peek(4) // an error comes again when it is read
	switch {
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, "", &InputError{text: "the gzip data can't be read", hint: hintAgain, err: err}
		}
		return bufio.NewReader(z), "gzip", nil
	case bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		// Concurrency 1 decodes in Read itself: no goroutine is left behind if
		// the reader is abandoned.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, "", &InputError{text: "the zstd data can't be read", hint: hintAgain, err: err}
		}
		return bufio.NewReader(z), "zstd", nil
	}
	return r, "", nil
}
