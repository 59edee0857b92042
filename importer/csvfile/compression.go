package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const hintAgain = "get the file again"

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
