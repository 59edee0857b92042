package diff

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"iter"
	"maps"
	"math"
	"slices"

	"orgimport/report"
)

// Lines are lines of CSV in the order of their bytes, one physical line for each
// record: control characters are written as their pictures.
type Lines struct {
	// orgs has the lines by what those of an organization begin with: its id, its name
	// if they have it, and a comma. No such text begins with another, so that the order
	// of these and of what follows each is the order of the lines.
	orgs map[string]*orgLines

	text bytes.Buffer // the line that csv writes
	csv  *csv.Writer
}

// orgLines is what follows in the lines of an organization. It takes little memory:
// there may be millions.
type orgLines struct {
	text []byte   // each with its line end
	at   []uint32 // where each begins: no organization has 4 GB
}

func (o *orgLines) line(at uint32) []byte {
	line, _, _ := bytes.Cut(o.text[at:], []byte("\n"))
	return line
}

// Len returns the number of lines.
func (l *Lines) Len() (n int) {
	for _, o := range l.orgs {
		n += len(o.at)
	}
	return n
}

// WriteCSV writes the lines, below a header.
func (l *Lines) WriteCSV(w io.Writer, header ...string) error {
	out := bufio.NewWriter(w)
	head := csv.NewWriter(out)
	_ = head.Write(header) // out returns the error, here and below
	head.Flush()
	for begin, o := range l.sorted() {
		for _, at := range o.at {
			_, _ = out.WriteString(begin)
			_, _ = out.Write(o.line(at))
			_ = out.WriteByte('\n')
		}
	}
	return out.Flush()
}

// Records yields the lines as records, which share their memory.
func (l *Lines) Records() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		l.each(func(_ *uint32, record []string) bool { return yield(record) })
	}
}

// each calls f with each line as a record, and with where it begins, until f returns
// false.
func (l *Lines) each(f func(at *uint32, record []string) bool) {
	var line bytes.Buffer
	r := csv.NewReader(&line)
	r.ReuseRecord = true
	for begin, o := range l.sorted() {
		for i, at := range o.at {
			line.WriteString(begin)
			line.Write(o.line(at))
			line.WriteByte('\n')
			record, err := r.Read()
			if err != nil {
				panic(err) // encode wrote it
			}
			if !f(&o.at[i], record) {
				return
			}
		}
	}
}

// deleteFunc deletes the lines for which del returns true.
func (l *Lines) deleteFunc(del func(record []string) bool) {
	const deleted = math.MaxUint32
	l.each(func(at *uint32, record []string) bool {
		if del(record) {
			*at = deleted
		}
		return true
	})
	for _, o := range l.orgs {
		o.at = slices.DeleteFunc(o.at, func(at uint32) bool { return at == deleted })
	}
}

// add adds a line that begins as all those of the organization do.
func (l *Lines) add(begin []string, rest ...string) {
	if l.orgs == nil {
		l.orgs = make(map[string]*orgLines)
		l.csv = csv.NewWriter(&l.text)
	}
	text := l.encode(begin)
	text[len(text)-1] = ','
	o := l.orgs[string(text)]
	if o == nil {
		o = new(orgLines)
		l.orgs[string(text)] = o
	}
	o.at = append(o.at, uint32(len(o.text)))
	o.text = append(o.text, l.encode(rest)...)
}

// encode returns a line with its end, until it is called again.
func (l *Lines) encode(record []string) []byte {
	l.text.Reset()
	for i, value := range record {
		record[i] = report.Visible(value)
	}
	_ = l.csv.Write(record) // into memory
	l.csv.Flush()
	return l.text.Bytes()
}

func (l *Lines) sort() {
	for _, o := range l.orgs {
		slices.SortFunc(o.at, func(a, b uint32) int { return bytes.Compare(o.line(a), o.line(b)) })
	}
}

// sorted yields the lines of each organization, and what they begin with.
func (l *Lines) sorted() iter.Seq2[string, *orgLines] {
	return func(yield func(string, *orgLines) bool) {
		for _, begin := range slices.Sorted(maps.Keys(l.orgs)) {
			if !yield(begin, l.orgs[begin]) {
				return
			}
		}
	}
}
