(function () {
  "use strict";
  const data = document.getElementById("lines");
  if (!data) return;

  // The lines of the results, the header first. Each is one record of CSV.
  const lines = JSON.parse(data.textContent);
  const all = lines.slice(1).map(function (line) {
    const fields = parse(line).map(printable);
    return { line: line, fields: fields, text: fields.join(" ").toLowerCase() };
  });
  const others = Number(document.getElementById("rows").dataset.others); // rows that are not in the page
  const step = 50;
  const tools = document.getElementById("tools");
  const search = tools.querySelector("input");
  const count = tools.querySelector("output");
  const more = document.getElementById("more");
  const body = document.querySelector("#rows tbody");
  const model = body.rows[0].cloneNode(true);
  const heads = Array.from(document.querySelectorAll("#rows th"));
  let found = all; // what the search finds, in the order shown
  let shown = step;

  // parse returns the fields of a line. A comma outside of quotes ends a field; a
  // quote inside of quotes is doubled.
  function parse(line) {
    return Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g), function (m) {
      return m[1] === undefined ? m[2] : m[1].replaceAll('""', '"');
    });
  }

  // printable shows what would change the direction of the text, or not be seen.
  function printable(value) {
    return value.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, function (c) {
      return c === "\u200c" || c === "\u200d" ? c : "<U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + ">";
    });
  }

  function draw() {
    body.replaceChildren(...found.slice(0, shown).map(function (row) {
      const tr = model.cloneNode(true);
      tr.querySelectorAll("[data-field]").forEach(function (e) { e.textContent = row.fields[e.dataset.field]; });
      return tr;
    }));
    more.hidden = found.length <= shown;
    count.textContent = (found.length < all.length ? number(found.length) + " of " : "") +
      (others ? "the first " : "") + number(all.length) + (all.length === 1 ? " row" : " rows") +
      (others ? "; the other " + number(others) + (others === 1 ? " is" : " are") + " not in this page" : "");
  }

  function number(n) { return n.toLocaleString("en"); }

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = all.filter(function (row) { return words.every(function (word) { return row.text.includes(word); }); });
    shown = step;
    draw();
  }

  function sort(head) {
    const down = head.getAttribute("aria-sort") === "ascending";
    const field = head.dataset.sort;
    const order = new Intl.Collator("en", { numeric: true });
    heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    all.sort(function (a, b) { return (down ? -1 : 1) * order.compare(a.fields[field], b.fields[field]); });
    find();
  }

  function save() {
    const csv = [lines[0]].concat(found.map(function (row) { return row.line; })).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = "failures.csv";
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 60000);
  }

  heads.forEach(function (head) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", function () { sort(head); });
    head.append(button);
  });
  heads[0].setAttribute("aria-sort", "ascending"); // the order in which Write has them
  search.addEventListener("input", find);
  more.querySelector("button").addEventListener("click", function () { shown += 2 * step; draw(); });
  document.getElementById("save").addEventListener("click", save);
  tools.hidden = document.getElementById("saving").hidden = false;
  draw();
})();
