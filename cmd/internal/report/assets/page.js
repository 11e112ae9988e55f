"use strict";
(function () {
  // Requests: sort by a click on a column's head, filter by words and verdict.
  var table = document.getElementById("all");
  if (table) {
    var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
    var words = rows.map(function (r) { return r.textContent.toLowerCase(); });
    var form = document.querySelector("form.filter"), filter = document.getElementById("filter"), verdict = document.getElementById("verdict"), shown = document.getElementById("shown");
    form.hidden = false;
    form.addEventListener("submit", function (e) { e.preventDefault(); });
    var show = function () {
      var want = filter.value.toLowerCase().split(/\s+/), count = 0;
      rows.forEach(function (r, n) {
        var ok = (!verdict.value || r.dataset.verdict === verdict.value) && want.every(function (w) { return words[n].indexOf(w) >= 0; });
        r.hidden = !ok;
        count += ok ? 1 : 0;
      });
      shown.textContent = count + " of " + rows.length + " shown";
    };
    filter.addEventListener("input", show);
    verdict.addEventListener("change", show);
    show();
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (th, col) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = th.textContent;
      th.textContent = "";
      th.appendChild(button);
      button.addEventListener("click", function () {
        var down = th.getAttribute("aria-sort") === "ascending", numbers = th.dataset.sort === "n";
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (o) { o.removeAttribute("aria-sort"); });
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        var key = function (r) {
          var c = r.cells[col];
          return numbers ? Number(c.dataset.k || c.textContent) : c.textContent.toLowerCase();
        };
        rows.map(function (r, n) { return { r: r, n: n, k: key(r) }; }).sort(function (a, b) {
          var d = a.k < b.k ? -1 : a.k > b.k ? 1 : 0;
          return (down ? -d : d) || a.n - b.n;
        }).forEach(function (x) { body.appendChild(x.r); });
      });
    });
  }
  // Ladders: one stop for the tabulator key, arrow keys within, details below.
  Array.prototype.forEach.call(document.querySelectorAll(".ladder"), function (figure) {
    var rungs = Array.prototype.slice.call(figure.querySelectorAll(".rung")), line = figure.querySelector(".packet");
    var tell = function (r) {
      line.hidden = false;
      line.textContent = r.getAttribute("aria-label");
    };
    var move = function (n) {
      n = Math.max(0, Math.min(rungs.length - 1, n));
      rungs.forEach(function (r, k) { r.setAttribute("tabindex", k === n ? "0" : "-1"); });
      rungs[n].focus();
    };
    rungs.forEach(function (r, n) {
      if (n) { r.setAttribute("tabindex", "-1"); }
      r.addEventListener("focus", function () { tell(r); });
      r.addEventListener("mouseenter", function () { tell(r); });
      r.addEventListener("click", function () { move(n); });
      r.addEventListener("keydown", function (e) {
        var to = { ArrowDown: n + 1, ArrowUp: n - 1, Home: 0, End: rungs.length - 1 }[e.key];
        if (to === undefined) { return; }
        e.preventDefault();
        move(to);
      });
    });
  });
  // A link to a request that is folded unfolds it; printing unfolds all.
  var unfold = function () {
    var to = location.hash && document.getElementById(location.hash.slice(1));
    if (to && to.tagName === "DETAILS") { to.open = true; }
  };
  window.addEventListener("hashchange", unfold);
  unfold();
})();
