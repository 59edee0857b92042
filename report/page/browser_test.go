package page_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orgimport/importer"
)

// TestPageInABrowser runs the script of the page, in a real browser.
func TestPageInABrowser(t *testing.T) {
	b := openBrowser(t)
	var rows []importer.Outcome
	for i := range 1020 {
		o := outcome(2000-i, fmt.Sprintf("org_%d", i%7), fmt.Sprintf("auth0|%d", i), importer.Failed)
		if i%100 == 0 {
			o.Message = `quota "members", full`
		}
		o.Row.Kept = []string{fmt.Sprintf("Zoë, %d", i)}
		rows = append(rows, o)
	}
	file := results(t, []string{"name"}, rows...)
	b.visit(render(t, file, nil))
	is := b.is
	is("rows at first", lines+`.length`, "50")
	is("the first of them", lines+`[0]`, `"981"`)
	is("all rows", `document.querySelector("#tools output").textContent`, `"1,020 rows"`)
	if height := b.eval(`document.documentElement.scrollHeight < 12000`); height != "true" {
		t.Errorf("the page is too tall")
	}
	b.eval(`document.querySelector("#more button").click()`)
	is("rows when asked for more", lines+`.length`, "150")

	b.eval(`document.querySelector("#tools input").focus()`)
	b.call("Input.insertText", map[string]any{"text": "QUOTA full"})
	is("what is found", `document.querySelector("#tools output").textContent`, `"11 of 1,020 rows"`)
	b.eval(`document.querySelectorAll("#rows th button")[0].click()`)
	is("by line, the last first", lines+`.slice(0, 2).join()`, `"2000,1900"`)
	is("what is sorted by", `document.querySelector("#rows th[aria-sort]").ariaSort`, `"descending"`)
	b.eval(`document.querySelectorAll("#rows th button")[2].click()`)
	is("by user, as people count", lines+`.join()`, `"2000,1900,1800,1700,1600,1500,1400,1300,1200,1100,1000"`)

	all := strings.Split(file, "\n")
	want := all[0] + "\n"
	for _, line := range all {
		if strings.Contains(line, "quota") {
			want += line + "\n"
		}
	}
	if got := b.download(`document.getElementById("save").click()`); got != want {
		t.Errorf("saved\n%s\nwant\n%s", got, want)
	}
	if len(b.errors) > 0 {
		t.Errorf("the browser complains: %s", b.errors)
	}
}

// A page that has a part of the rows says so where they are searched and saved, and
// is no taller for messages that are long.
func TestPageOfManyFailuresInABrowser(t *testing.T) {
	rows := make([]importer.Outcome, 6_000)
	for i := range rows {
		rows[i] = outcome(i+2, "org_"+strings.Repeat("a", 200), fmt.Sprintf("auth0|%d", i), importer.Failed)
		if i < 50 {
			rows[i].Message = fmt.Sprintf("%d %s", i, strings.Repeat("a long message ", 200))
		}
	}
	rows[3].Row.UserID = "auth0|\u202egnp.exe"
	html := render(t, results(t, nil, rows...), nil)
	b := openBrowser(t)
	b.visit(html)
	b.is("rows at first", lines+`.length`, "50")
	b.is("what is searched and saved", `document.querySelector("#tools output").textContent.replace(/[\d,]+/g, "N")`, `"the first N rows; the other N are not in this page"`)
	b.is("what is drawn, not obeyed", `document.querySelectorAll("#rows tbody tr")[3].cells[2].textContent`, `"auth0|<U+202E>gnp.exe"`)
	b.is("the height on a desk", `document.documentElement.scrollHeight < 12000`, "true")
	b.eval(`document.querySelector("#tools input").focus()`)
	b.call("Input.insertText", map[string]any{"text": "auth0|4999 U+202E"})
	b.is("what is found", `document.querySelector("#tools output").textContent.startsWith("0 of the first ")`, "true")

	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true})
	b.visit(html)
	b.is("the height on a telephone", `document.documentElement.scrollHeight < 15000`, "true")
	b.is("the width on a telephone", `document.documentElement.scrollWidth`, "390")
	b.call("Emulation.clearDeviceMetricsOverride", nil)

	b.media("print", "light")
	b.is("rows on paper", lines+`.length`, "50")
	b.is("what paper says", `document.body.innerText.includes("On paper, the table has at most 50 of 6,000 rows.")`, "true")
	b.is("tools on paper", `getComputedStyle(document.getElementById("tools")).display`, `"none"`)
	b.media("screen", "dark")
	b.is("paper in the dark", `getComputedStyle(document.body).backgroundColor`, `"rgb(21, 24, 27)"`)
	b.media("screen", "light")
	b.is("paper by day", `getComputedStyle(document.body).backgroundColor`, `"rgb(251, 250, 248)"`)

	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	b.visit(html)
	b.is("rows without JavaScript", lines+`.length`, "50")
	b.is("what is said without JavaScript", `document.body.innerText.includes("Without JavaScript, the table has the first 50 of 6,000 rows.")`, "true")
	b.is("tools without JavaScript", `getComputedStyle(document.getElementById("tools")).display`, `"none"`)
	if len(b.errors) > 0 {
		t.Errorf("the browser complains: %s", b.errors)
	}
}

// lines are the first cells of the rows that are shown.
const lines = `Array.from(document.querySelectorAll("#rows tbody tr")).map(r => r.cells[0].textContent)`

// browser is a headless browser that is driven by the DevTools protocol over two
// pipes.
type browser struct {
	t        *testing.T
	commands io.Writer
	messages *bufio.Reader
	session  string
	asked    int
	events   []message // that came before an answer, and were not awaited yet
	errors   []string  // on the page, violations of its policy included
}

// message is what the browser sends: an answer if it has an ID, otherwise an event.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}
	at := slices.IndexFunc(names, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if at < 0 {
		t.Skip("neither Chromium nor Chrome is installed: the script of the page is not tested")
	}
	commandsOut, commands, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	messages, messagesIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(names[at], "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{commandsOut, messagesIn} // 3 and 4, as the browser expects them
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = commandsOut.Close(), messagesIn.Close()
	// A browser that does not answer must not block the tests. It takes seconds.
	timer := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	b := &browser{t: t, commands: commands, messages: bufio.NewReader(messages)}
	t.Cleanup(func() {
		timer.Stop()
		b.session = ""
		b.call("Browser.close", nil)
		_ = cmd.Wait() // its folder is removed next
		_, _ = commands.Close(), messages.Close()
	})
	var target struct{ TargetID string }
	b.decode(b.call("Target.createTarget", map[string]any{"url": "about:blank"}), &target)
	var attached struct{ SessionID string }
	b.decode(b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}), &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil)
	b.call("Log.enable", nil)
	b.call("Runtime.enable", nil)
	return b
}

func (b *browser) decode(text json.RawMessage, v any) {
	b.t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		b.t.Fatal(err)
	}
}

// next returns the next message.
func (b *browser) next() message {
	b.t.Helper()
	text, err := b.messages.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser is gone: %v", err)
	}
	var m message
	b.decode(text[:len(text)-1], &m)
	if m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown" {
		b.errors = append(b.errors, string(m.Params))
	}
	return m
}

// call returns the answer to a command.
func (b *browser) call(method string, params map[string]any) json.RawMessage {
	b.t.Helper()
	b.asked++
	command := map[string]any{"id": b.asked, "method": method, "params": params}
	if params == nil {
		delete(command, "params")
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.commands.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		m := b.next()
		if m.ID != b.asked {
			b.events = append(b.events, m)
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error)
		}
		return m.Result
	}
}

// await does something, and waits for an event that fits. It may come before the
// answer to what was done.
func (b *browser) await(do func(), method string, fits func(params string) bool) {
	b.t.Helper()
	b.events = nil
	do()
	for {
		var m message
		if len(b.events) > 0 {
			m, b.events = b.events[0], b.events[1:]
		} else {
			m = b.next()
		}
		if m.Method == method && fits(string(m.Params)) {
			return
		}
	}
}

// visit opens a page.
func (b *browser) visit(html string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(html), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.await(func() { b.call("Page.navigate", map[string]any{"url": "file://" + path}) },
		"Page.loadEventFired", func(string) bool { return true })
}

// media shows the page on a screen or on paper, in a light or dark scheme.
func (b *browser) media(medium, scheme string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"media": medium, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	})
}

// is compares the value of a script, as JSON.
func (b *browser) is(what, script, want string) {
	b.t.Helper()
	if got := b.eval(script); got != want {
		b.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// eval returns the value of a script, as JSON.
func (b *browser) eval(script string) string {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.decode(b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}), &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, got.ExceptionDetails)
	}
	return string(got.Result.Value)
}

// download returns the file that a script makes the browser save.
func (b *browser) download(script string) string {
	b.t.Helper()
	dir := b.t.TempDir()
	b.call("Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir, "eventsEnabled": true})
	b.await(func() { b.eval(script) },
		"Browser.downloadProgress", func(params string) bool { return strings.Contains(params, `"completed"`) })
	content, err := os.ReadFile(filepath.Join(dir, "failures.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}
