"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const articles = Array.from(document.querySelectorAll("article"));
  const count = document.getElementById("count");
  const filters = Array.from(document.querySelectorAll("select"));
  const store = "mmseg_ext audit " + page.audit;
  const keys = { r: "right", w: "wrong", u: "unsure" };
  let answers = read();
  let current = null;

  function read() {
    try { return JSON.parse(localStorage.getItem(store)) || {}; } catch { return {}; }
  }

  function shown() { return articles.filter((article) => !article.hidden); }

  function show(article) {
    const answer = answers[article.id] || "";
    for (const name of Object.values(keys)) article.classList.toggle(name, answer === name);
    for (const button of article.querySelectorAll(".answers button")) {
      button.setAttribute("aria-pressed", String(button.value === answer));
    }
  }

  function update() {
    const given = articles.filter((article) => answers[article.id]).length;
    count.textContent = shown().length + " of " + articles.length + " places, " + given + " answered";
  }

  function answer(article, value) {
    if (answers[article.id] === value) delete answers[article.id];
    else answers[article.id] = value;
    // A browser that keeps nothing still has the answers until the page is closed.
    try { localStorage.setItem(store, JSON.stringify(answers)); } catch { count.title = "not kept by this browser"; }
    show(article);
    update();
  }

  function focus(article) {
    if (!article) return;
    if (current) current.classList.remove("current");
    current = article;
    current.classList.add("current");
    current.scrollIntoView({ block: "start" });
  }

  function move(step) {
    const list = shown();
    const place = list.indexOf(current);
    focus(list[Math.min(list.length - 1, Math.max(0, place < 0 ? 0 : place + step))]);
  }

  function filter() {
    const [kind, name, state] = filters.map((select) => select.value);
    for (const article of articles) {
      const given = answers[article.id] || "none";
      article.hidden = (kind !== "" && article.dataset.kind !== kind)
        || (name !== "" && article.dataset.label !== name && article.dataset.predicted !== name)
        || (state !== "" && given !== state);
    }
    if (current && current.hidden) { current.classList.remove("current"); current = null; }
    update();
  }

  function keep() {
    const content = JSON.stringify({ audit: page.audit, answers }, null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = "answers.json";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".answers button");
    if (!button) return;
    const article = button.closest("article");
    focus(article);
    answer(article, button.value);
  });
  document.getElementById("keep").addEventListener("click", keep);
  for (const select of filters) select.addEventListener("change", filter);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const value = keys[event.key];
    if (value && current) {
      answer(current, value);
      move(1);
    } else if (event.key === "j" || event.key === "ArrowDown") move(1);
    else if (event.key === "k" || event.key === "ArrowUp") move(-1);
    else if (event.key === "s") keep();
    else return;
    event.preventDefault();
  });
  articles.forEach(show);
  update();
  if (articles.length) { current = articles[0]; current.classList.add("current"); }
})();
