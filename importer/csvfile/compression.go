package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The first bytes of a compressed file, from RFC 1952 and RFC 8878.
const (
	gzipMagic = "\x1F\x8B"
	zstdMagic = "\x28\xB5\x2F\xFD"
)

// Decompress returns the contents of r, which may be compressed with gzip or
// zstd.
func Decompress(r io.Reader) (io.Reader, error) {
	plain, _, err := decompress(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	return plain, nil
}

// decompress returns the contents of r and the name of the compression, which is
// empty if there is none. A file of several members is read as one.
func decompress(r *bufio.Reader) (plain *bufio.Reader, compression string, err error) {
	head, _ := r.Peek(4) // an error comes again when it is read
	var unpacked io.Reader
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		compression = "gzip"
		var z *gzip.Reader
		z, err = gzip.NewReader(r)
		unpacked = &members{gzip: z, r: r}
	case bytes.HasPrefix(head, []byte(zstdMagic)), isSkippable(head):
		compression = "zstd"
		// Concurrency 1 decodes in Read itself: no goroutine is left behind if
		// the reader is abandoned.
		unpacked, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	default:
		return r, "", nil
	}
	if err != nil {
		return nil, "", &InputError{text: "the " + compression + " data can't be read", hint: hintAgain, err: err}
	}
	return bufio.NewReader(&sticky{r: unpacked}), compression, nil
}

// isSkippable reports whether head begins a skippable frame of zstd, which pzstd
// writes before its data.
func isSkippable(head []byte) bool {
	return len(head) == 4 && head[0]>>4 == 5 && string(head[1:]) == "\x2A\x4D\x18"
}

// members reads the members of a gzip file. Files written in blocks, as on
// tapes, have zeros after the last member, up to the end of a block.
type members struct {
	gzip  *gzip.Reader
	r     *bufio.Reader
	ended bool // the member
}

func (m *members) Read(p []byte) (int, error) {
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

// sticky keeps returning its first error, which its readers rely on. A terminal,
// for one, can be read further after an end of file.
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
