(function () {
  "use strict";
  var search = document.getElementById("search");
  if (!search) return;
  var field = search.querySelector("input");
  var found = search.querySelector("output");
  var rows = Array.from(document.querySelectorAll("#rows tbody tr"));
  var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
  function filter() {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row, i) {
      var fits = words.every(function (word) { return texts[i].includes(word); });
      row.hidden = !fits;
      if (fits) shown++;
    });
    found.textContent = words.length ? shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " rows" : "";
  }
  field.addEventListener("input", filter);
  search.hidden = false;
  filter();
})();
