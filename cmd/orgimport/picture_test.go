package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"html"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// The README shows one run: on a terminal, and as the page that orgimport report
// makes of it. The run is the same every time, because its clock is fake, its input
// and its tenant come from a seed, and one request is in flight at a time.
//
//	go test ./cmd/orgimport -run TestPictures -update
//
// draws the pictures again; .ci/run fails if that changes them.
var update = flag.Bool("update", false, "draw the pictures of the README again (needs Chromium if the page has changed)")

const (
	picturedAfter   = 100 * time.Second // when the first half of the terminal's picture is taken
	picturedColumns = 118
)

// pictures is what a terminal shows in the middle of a run, and at its end.
type pictures struct {
	t              *testing.T
	started        time.Time
	middle, ending screen
}

func (p *pictures) Write(text []byte) (int, error) {
	if time.Since(p.started) <= picturedAfter {
		p.middle.write(p.t, string(text))
	}
	p.ending.write(p.t, string(text))
	return len(text), nil
}

func TestPictures(t *testing.T) {
	folder, err := filepath.Abs("../../.github")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // so that the pictures contain no name of a folder
	zone := time.Local
	t.Cleanup(func() { time.Local = zone })
	time.Local = time.UTC

	var terminal, page []byte
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)))
		terminal, page = picturedRun(t)
	})
	if !*update {
		return
	}
	writePicture(t, filepath.Join(folder, "terminal.svg"), terminal)
	png := filepath.Join(folder, "page.png")
	source := fmt.Appendf(nil, "Source\x00sha256:%x", sha256.Sum256(page))
	if shown, _ := os.ReadFile(png); !bytes.Contains(shown, source) {
		writePicture(t, png, withText(photograph(t, page), source))
	}
}

// picturedRun returns the picture of the terminal, and the page.
func picturedRun(t *testing.T) (terminal, page []byte) {
	input, users := picturedInput()
	tenant := auth0test.New(auth0test.Config{
		KnownOrg: exists, Users: users, Latency: auth0test.Fixed(110 * time.Millisecond),
		Limits: proofLimit(auth0test.Limit{Size: 20, Per: 200, Interval: time.Minute}),
	})
	env := map[string]string{
		"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret",
		"ORGIMPORT_WORKERS": "1", "ORGIMPORT_PROGRESS": "bar", "ORGIMPORT_SUMMARY": "summary.json",
	}
	shown := &pictures{t: t, started: time.Now(), middle: screen{columns: picturedColumns}, ending: screen{columns: picturedColumns}}
	command := func(wantCode int, line string) {
		code := run(surroundings{
			args: strings.Fields(line), getenv: func(name string) string { return env[name] },
			stdin: strings.NewReader(""), stdout: shown, stderr: shown,
			transport: func(int) http.RoundTripper { return tenant },
			signals:   func() <-chan os.Signal { return nil },
		})
		if code != wantCode {
			t.Fatalf("orgimport %s: exit code %d\n%s", line, code, strings.Join(shown.ending.rows(), "\n"))
		}
	}
	if err := os.WriteFile("members.csv", input, 0o600); err != nil {
		t.Fatal(err)
	}
	const typed = "import members.csv --check-users"
	command(exitRows, typed)
	end := shown.ending.rows()
	from := len(shown.middle.rows()) - 1 // the bar is gone by then
	terminal = drawTerminal("orgimport "+typed, shown.middle.rows(), end[from:])
	if text := string(terminal); !strings.Contains(text, "█") || !strings.Contains(text, "10000 rows = ") {
		t.Errorf("neither a bar nor the sum is in the picture:\n%s", text)
	}
	command(exitDone, "report results.csv --summary summary.json -o page.html")
	page, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	// The ids of requests are random, and so is the batch after which a row that is
	// not sent is written.
	return terminal, regexp.MustCompile(`\boi-[0-9a-z-]+|\d\d:\d\d:\d\dZ`).ReplaceAll(page, []byte("…"))
}

// picturedInput is 10,000 rows in 60 organizations, in random order. A few users do
// not exist, and a few rows are repeated. The good rows of each organization fill
// its requests, so the order in which they are sent does not matter.
func picturedInput() (file []byte, users []auth0test.User) {
	var lines []string
	for i := range 9960 {
		id := fmt.Sprintf("auth0|%024x", i)
		lines = append(lines, fmt.Sprintf("org_%016d,%s\n", i%166%60, id))
		users = append(users, auth0test.User{ID: id})
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	for i := range 40 {
		line := lines[i]
		if i < 17 {
			line = fmt.Sprintf("org_%016d,auth0|%024x\n", i, 1<<20+i)
		}
		lines = slices.Insert(lines, 50*i+200, line) // early: all have come out when the picture is taken
	}
	return []byte("org_id,user_id\n" + strings.Join(lines, "")), users
}

// drawTerminal draws a terminal at two moments.
func drawTerminal(command string, middle, end []string) []byte {
	const (
		lineHeight = 20
		margin     = 24
	)
	var svg bytes.Buffer
	y := margin
	text := func(class, line string) {
		y += lineHeight
		fmt.Fprintf(&svg, `<text class="%s" x="%d" y="%d" xml:space="preserve">`, class, margin, y)
		if stamp := regexp.MustCompile(`^\d\d:\d\d:\d\d `).FindString(line); stamp != "" {
			fmt.Fprintf(&svg, `<tspan class="soft">%s</tspan>`, stamp)
			line = line[len(stamp):]
		}
		fmt.Fprintf(&svg, "%s</text>\n", html.EscapeString(line))
	}
	text("typed", "$ "+command)
	for _, line := range middle {
		text("plain", line)
	}
	y += lineHeight / 2
	text("soft", fmt.Sprintf("… that was after %s; at the end the bar gives way to the summary:", brief(picturedAfter)))
	y += lineHeight / 2
	for _, line := range end {
		text("plain", line)
	}
	width, height := picturedColumns*843/100+2*margin, y+margin // 14 px high is 8.43 wide
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
<style>.plain { fill: #e5e3de } .typed { fill: #7fd1ae } .soft { fill: #8b959c }</style>
<rect width="100%%" height="100%%" rx="10" fill="#15181b"/>
%s</svg>
`, width, height, svg.Bytes())
}

// photograph returns a PNG of the top of a page in a browser.
func photograph(t *testing.T, page []byte) []byte {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("the page of the README has changed, and there is no Chromium here to draw it: ", err)
	}
	dir := t.TempDir()
	file, png := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.png")
	writePicture(t, file, page)
	out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir="+dir,
		"--window-size=1100,900", "--screenshot="+png, "file://"+file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(png)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// withText adds a chunk of text to a PNG, after its header.
func withText(png, text []byte) []byte {
	const header = 8 + 4 + 4 + 13 + 4 // the signature, then length, type, data and checksum of IHDR
	chunk := append([]byte("tEXt"), text...)
	whole := binary.BigEndian.AppendUint32(bytes.Clone(png[:header]), uint32(len(text)))
	whole = append(whole, chunk...)
	whole = binary.BigEndian.AppendUint32(whole, crc32.ChecksumIEEE(chunk))
	return append(whole, png[header:]...)
}

func writePicture(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
