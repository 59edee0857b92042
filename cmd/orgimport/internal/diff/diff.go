// Package diff compares the rows of a file with the members of the organizations
// that the rows name: who joins, who leaves, and who is kept because the file does
// not say for certain that they leave.
package diff

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// ErrChanged says that the rows were not the same when they were read again.
var ErrChanged = errors.New("the file has other rows than when it was first read")

// Comparison is a file and what the tenant says about it.
type Comparison struct {
	// Rows returns the rows of the file from the first, with the ids that were
	// looked up. Row.Kept has the values of all other columns, and Row.Keys what a
	// row that is not resolved says of its user: it may name somebody in any of
	// them. Rows is called twice.
	Rows func() iter.Seq2[importer.Row, error]

	// Lists yields the members of organizations page by page. An organization may turn
	// out to be absent after pages of it.
	Lists func(orgIDs []string) iter.Seq2[auth0.MemberPage, error]

	// OrgName returns the name of an organization; empty if it is not known.
	OrgName func(orgID string) string

	// Carry are the indexes in Row.Kept of the values that joiners carry.
	Carry []int

	// Unusual reports whether the id of a user has another form than most in the
	// file. It is called after the rows were read once.
	Unusual func(userID string) bool

	// Unconfirmed says that something else than the tenant has resolved the
	// addresses of the file, so that a member who has the address of a row may be
	// meant although the row was resolved to somebody else.
	Unconfirmed bool

	// OnReject is called with the outcome of each row that is not resolved, in the
	// order of the file.
	OnReject func(importer.Outcome) error
}

// Result says who joins, who leaves and who is kept.
type Result struct {
	Rows     int
	Rejected int

	// Unanswered is the number of rejected rows whose look-up got no usable answer.
	Unanswered int

	// Doubtful is the number of rows that were rejected, or for whose sake
	// somebody is kept.
	Doubtful int

	Members int   // that were read
	Orgs    []Org // that were compared, in the order of their ids

	Joiners Lines // org_id, user_id, then the values of Comparison.Carry
	Leavers Lines // org_id, org_name, user_id, email, name
	Kept    Lines // the same, then the line of the file and the reason
}

// Org counts the members of one organization.
type Org struct {
	ID                              string
	Members, Joiners, Leavers, Kept int
}

// org is an organization while it is compared.
type org struct {
	Org
	line    int // of the first row that names it
	rows    int // that name it and somebody in it
	missing bool
	named   bool // a row names one of its members
}

// comparison is a Comparison under way.
type comparison struct {
	*Comparison
	Result
	orgs   map[string]*org
	pairs  importer.Set // of the rows; the line of a pair that is a member is 0
	doubts doubts
}

// Run compares. It reads the rows, then the members of their organizations, then
// the rows again. It holds the pairs of the rows as an [importer.Set] does, and the
// lines of joiners, and of members whom no row names. It returns the errors of
// Rows, Lists and OnReject as they are.
func (c *Comparison) Run() (*Result, error) {
	r := &comparison{Comparison: c, orgs: make(map[string]*org), doubts: doubts{make(map[string]int), importer.Set{}, make(map[int]string)}}
	for _, step := range []func() error{r.readNames, r.readMembers, r.readRows} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	r.pairs = importer.Set{} // no longer needed
	r.keepDoubtful()
	r.countOrgs()
	return &r.Result, nil
}

// readNames reads the rows for the organizations and the pairs that they name.
func (c *comparison) readNames() error {
	for row, err := range c.Comparison.Rows() {
		if err != nil {
			return err
		}
		if id := orgOf(&row); id != "" && c.orgs[id] == nil {
			id = strings.Clone(id)
			c.orgs[id] = &org{Org: Org{ID: id}, line: row.Line}
		}
		if row.Err == nil {
			c.pairs.Add(importer.PairKey(row), row.Line)
		}
	}
	return nil
}

// readMembers reads the members. Those whom no row names leave, unless they are kept
// later.
func (c *comparison) readMembers() error {
	for page, err := range c.Lists(slices.Sorted(maps.Keys(c.orgs))) {
		if err != nil {
			return err
		}
		org := c.orgs[page.OrgID]
		org.missing = org.missing || page.Absent != nil
		for _, m := range page.Members {
			pair := importer.PairKey(importer.Row{OrgID: org.ID, UserID: m.UserID})
			switch line, named := c.pairs.Line(pair); {
			case !named:
				c.Leavers.add([]string{org.ID, c.OrgName(org.ID)}, m.UserID, m.Email, m.Name)
			case line > 0: // not seen before
				c.pairs.Put(pair, 0)
				org.named = true
				org.Members++
			}
		}
	}
	return nil
}

// readRows reads the rows again, for the joiners and for what is in doubt.
func (c *comparison) readRows() error {
	for row, err := range c.Comparison.Rows() {
		if err != nil {
			return err
		}
		c.Result.Rows++
		org := c.orgs[row.OrgID]
		if row.Err == nil && org != nil && org.missing {
			row.Err = &importer.Rejection{Code: importer.CodeOrgNotFound, Message: "no organization " + row.OrgID}
		}
		if row.Err != nil {
			if err := c.reject(&row); err != nil {
				return err
			}
			continue
		}
		line, named := c.pairs.Line(importer.PairKey(row))
		if !named || org == nil {
			return ErrChanged
		}
		org.rows++
		if line == row.Line {
			org.Joiners++
			record := []string{row.UserID}
			for _, i := range c.Carry {
				record = append(record, row.Kept[i])
			}
			c.Joiners.add([]string{row.OrgID}, record...)
		}
		c.doubts.addResolved(&row, c.Unconfirmed)
	}
	c.Joiners.sort()
	return nil
}

// reject notes whom a row that is not resolved may mean.
func (c *comparison) reject(row *importer.Row) error {
	o := importer.Unsent(*row)
	c.Rejected++
	if o.Transient {
		c.Unanswered++
	}
	id := orgOf(row)
	if org := c.orgs[id]; org == nil || org.missing {
		id = ""
	}
	c.doubts.addRejected(row, o.Code, id, c.Unusual)
	return c.OnReject(o)
}

// keepDoubtful keeps those of the leavers whom a row may mean.
func (c *comparison) keepDoubtful() {
	c.Leavers.sort()
	doubtful := make(map[int]bool) // resolved rows for whose sake somebody is kept
	var before [2]string
	c.Leavers.deleteFunc(func(record []string) bool {
		orgID, userID, email := record[0], record[2], record[3]
		org := c.orgs[orgID]
		if org.missing || before == [2]string{orgID, userID} {
			return true // it was deleted meanwhile, or the list shows a member twice
		}
		before = [2]string{orgID, userID}
		org.Members++
		line, reason := c.doubts.of(orgID, userID, email)
		if line == 0 && !org.named {
			line, reason = org.line, reasonNobodyNamed
		}
		if line == 0 {
			org.Leavers++
			return false
		}
		if org.Kept++; org.named && !c.doubts.rejected(line) {
			doubtful[line] = true
		}
		c.Kept.add(record[:2], append(record[2:], strconv.Itoa(line), reason)...)
		return true
	})
	c.Kept.sort()
	c.Doubtful = c.Rejected + len(doubtful)
}

// countOrgs adds up the organizations that exist.
func (c *comparison) countOrgs() {
	for _, id := range slices.Sorted(maps.Keys(c.orgs)) {
		org := c.orgs[id]
		if org.missing {
			continue
		}
		c.Orgs = append(c.Orgs, org.Org)
		c.Members += org.Members
		if !org.named && org.Kept > 0 {
			c.Doubtful += org.rows
		}
	}
}

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
