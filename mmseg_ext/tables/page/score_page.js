"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");

  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
    const top = y + 16 + box.height > innerHeight ? y - 12 - box.height : y + 16;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = Math.max(4, top) + "px";
  }

  function hideTip() { tip.hidden = true; }

  function steps(step) {
    return step >= 1000 && step % 100 === 0 ? step / 1000 + "k" : String(step);
  }

  function setUpSorting(section) {
    const body = section.querySelector(".scores tbody");
    for (const button of section.querySelectorAll(".scores th button")) {
      button.addEventListener("click", () => {
        const head = button.parentElement;
        const natural = button.dataset.down === "1" ? "descending" : "ascending";
        const other = natural === "descending" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === natural ? other : natural;
        for (const th of head.parentElement.children) {
          if (th.hasAttribute("aria-sort")) th.setAttribute("aria-sort", "none");
        }
        head.setAttribute("aria-sort", order);
        const column = Number(button.dataset.column);
        const isNumber = button.dataset.number === "1";
        const sign = order === "descending" ? -1 : 1;
        const keyed = Array.from(body.rows, (row) => [row.cells[column].dataset.value, row]);
        keyed.sort(([a, rowA], [b, rowB]) => {
          if (a === "" || b === "") return (a === "" ? 1 : 0) - (b === "" ? 1 : 0);
          const difference = isNumber ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
          return sign * difference || rowA.dataset.row - rowB.dataset.row;
        });
        body.append(...keyed.map(([, row]) => row));
      });
    }
  }

  function setUpFilter(section) {
    const input = section.querySelector(".filter");
    const count = section.querySelector(".count");
    const rows = Array.from(section.querySelectorAll(".scores tbody tr"));
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const hidden = new Set();
      for (const row of rows) {
        row.hidden = !words.every((word) => texts.get(row).includes(word));
        if (row.hidden) hidden.add(row.dataset.row);
      }
      const shown = rows.length - hidden.size;
      count.textContent = words.length ? shown + " of " + rows.length + " rows" : rows.length + " rows";
      for (const item of section.querySelectorAll(".card [data-row]")) {
        item.toggleAttribute("hidden", hidden.has(item.dataset.row));
      }
    });
  }

  function setUpCurves(section, series) {
    const svg = section.querySelector(".curves");
    const marker = svg && svg.querySelector(".marker");

    function focus(row) {
      for (const item of section.querySelectorAll(".curve, .scores tbody tr")) {
        item.classList.toggle("focus", row !== null && item.dataset.row === String(row));
      }
      const known = row !== null && section.querySelector('.curve.focus:not([hidden])');
      if (svg) svg.classList.toggle("has-focus", Boolean(known));
    }

    for (const item of section.querySelectorAll(".scores tbody tr, .legend li")) {
      item.addEventListener("pointerenter", () => focus(item.dataset.row));
      item.addEventListener("pointerleave", () => focus(null));
    }
    if (!svg) return;
    const groups = Array.from(svg.querySelectorAll(".curve"));
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale;
      const y = (event.clientY - box.top) * scale;
      let best = null;
      let nearest = 40 * 40;
      series.forEach((curve, index) => {
        if (groups[index].hasAttribute("hidden")) return;
        for (const point of curve.points) {
          const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
          if (distance < nearest) { nearest = distance; best = [curve, point]; }
        }
      });
      if (!best) { leave(); return; }
      const [curve, point] = best;
      marker.setAttribute("cx", point[0]);
      marker.setAttribute("cy", point[1]);
      focus(curve.row);
      const text = curve.name + "\n" + point[3].toFixed(2) + " at " + steps(point[2]) + " iterations";
      showTip(text, event.clientX, event.clientY);
    });
    function leave() {
      marker.setAttribute("cx", -20);
      marker.setAttribute("cy", -20);
      focus(null);
      hideTip();
    }
    svg.addEventListener("pointerleave", leave);
  }

  function setUpHeatMap(section) {
    const heat = section.querySelector(".heat");
    const button = section.querySelector(".order");
    if (!heat || !button) return;
    const lines = Array.from(heat.rows, (row) => Array.from(row.cells));
    const numbers = Array.from(heat.tBodies[0].rows, (row) => Array.from(row.cells).slice(1));
    const means = numbers[0].map((_, column) => {
      const values = numbers.map((cells) => cells[column].dataset.value).filter((value) => value !== "").map(Number);
      return values.length ? values.reduce((a, b) => a + b, 0) / values.length : -1;
    });
    const order = means.map((_, index) => index).sort((a, b) => means[b] - means[a]);
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      for (const cells of lines) {
        const rest = pressed ? order.map((index) => cells[index + 1]) : cells.slice(1);
        cells[0].parentElement.append(...rest);
      }
    });
  }

  for (const section of document.querySelectorAll("section.dataset")) {
    setUpSorting(section);
    setUpFilter(section);
    setUpCurves(section, data[Number(section.dataset.index)].series);
    setUpHeatMap(section);
  }

  document.addEventListener("pointerover", (event) => {
    const item = event.target.closest && event.target.closest("[data-tip]");
    if (item) showTip(item.dataset.tip, event.clientX, event.clientY);
    else if (!(event.target.closest && event.target.closest(".curves"))) hideTip();
  });

  const zoom = document.getElementById("zoom");
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".zoom");
    if (button) {
      const image = button.querySelector("img");
      zoom.querySelector("img").src = image.src;
      zoom.querySelector("p").textContent = image.alt;
      zoom.showModal();
    } else if (event.target.closest("#zoom")) {
      zoom.close();
    }
  });
})();
