// The page: which image is in view, what the keys do, what the server sends.

import { alarm, find, markClass, showClasses, showQuality, showStatus } from "./panel.js";
import { attachPointer } from "./pointer.js";
import { Points } from "./points.js";
import { ask, listen } from "./server.js";
import { View } from "./view.js";

const view = new View(find("view"));
const points = new Points(refresh, (error) => alarm(error.message));
const state = { classes: [], images: [], done: new Map(), chosen: 0, number: 0, cursor: null, picture: 0, shownPicture: 0, news: null };
const PAGE = Math.random().toString(36).slice(2); // which page this is, among those that are open

const attempt = (work) => async (...values) => {
  try {
    return await work(...values);
  } catch (error) {
    alarm(error.message);
  }
};

function refresh() {
  const counts = points.counts(state.classes.length);
  markClass(state.chosen, counts);
  if (state.news) showStatus(state.news, state.images.length, points.waiting);
  const shown = points.in(state.number);
  Object.assign(document.body.dataset, {
    image: state.number,
    opened: view.image ? view.image.number : "",
    points: shown.length,
    saved: shown.filter((point) => point.isSaved).length,
    waiting: points.waiting,
    picture: state.shownPicture,
    spot: view.spot ? `${view.spot.image},${view.spot.x},${view.spot.y}` : "",
  });
  view.redraw();
}

const open = attempt(async (number) => {
  if (number < 0 || number >= state.images.length) return;
  state.number = number;
  find("image-number").value = number + 1;
  find("image-name").textContent = find("image-name").title = state.images[number];
  find("done").checked = state.done.get(number) ?? false;
  view.image = null;
  refresh();
  await ask("/api/view", { image: number, page: PAGE });
  const size = await ask(`/api/images/${number}`);
  if (state.number !== number) return; // another one was opened meanwhile
  state.picture = state.shownPicture = 0;
  view.open({ number, ...size });
  if (state.news) await showPrediction(state.news);
  refresh();
});

async function loadPicture(path) {
  const answer = await fetch(path);
  return answer.status === 200 ? createImageBitmap(await answer.blob()) : null;
}

async function showPrediction({ viewed, picture }) {
  if (viewed !== state.number || picture === state.picture) return;
  const number = state.number;
  state.picture = picture;
  const [classes, doubt] = picture
    ? await Promise.all(["classes", "doubt"].map((kind) => loadPicture(`/api/images/${number}/${kind}.png?v=${picture}`)))
    : [null, null];
  if (number !== state.number || picture !== state.picture) return; // a newer one is on its way
  state.shownPicture = picture;
  view.overlays = { classes, doubt };
  refresh();
}

const receive = attempt(async (news) => {
  state.news = news;
  points.take(news.points);
  for (const [number, isDone] of Object.entries(news.done)) state.done.set(Number(number), isDone);
  find("done").checked = state.done.get(state.number) ?? false;
  showQuality(news.quality, state.classes);
  if (news.message) find("written").textContent = news.message;
  refresh();
  if (news.viewed !== state.number) await ask("/api/view", { image: state.number, page: PAGE }); // a new connection
  await showPrediction(news);
});

function choose(label) {
  if (label >= state.classes.length) return;
  state.chosen = label;
  if (view.spot && view.spot.image === state.number) {
    const { image, x, y } = view.spot;
    endSpot();
    points.add(image, x, y, label).then(suggest);
  } else if (view.selected !== null) {
    const point = points.of.get(view.selected);
    if (point && point.label !== label) points.change(point, { label });
  }
  refresh();
}

function endSpot() {
  view.spot = null;
  find("hint").textContent = "";
}

const suggest = attempt(async () => {
  const { spot } = await ask("/api/next", { image: state.number });
  if (!spot) {
    alarm("All images are done.");
    return;
  }
  view.selected = null;
  if (spot.image !== state.number) await open(spot.image);
  view.spot = spot;
  view.show(spot.x, spot.y);
  find("hint").textContent = "Which class is in the ring? Press its key, or S to skip.";
  refresh();
});

const skip = attempt(async () => {
  if (!view.spot) return;
  const { image, x, y } = view.spot;
  endSpot();
  await ask("/api/skip", { image, x, y, annotator: annotator() });
  await suggest();
});

const annotator = () => find("annotator").value.trim();

function step(direction) {
  endSpot();
  view.selected = null;
  return points.enqueue(async () => {
    const found = await ask(`/api/${direction}`, { annotator: annotator() });
    if (found.kind === null) alarm(`There is nothing to ${direction}.`);
    else if (found.image !== null && found.image !== state.number) await open(found.image);
  });
}

const markDone = attempt(async (isDone) => {
  state.done.set(state.number, isDone);
  find("done").checked = isDone;
  await ask("/api/done", { image: state.number, is_done: isDone, annotator: annotator() });
});

function toggle(id) {
  find(id).checked = !find(id).checked;
  readOverlays();
}

function readOverlays() {
  const isShown = (id) => find(id).checked;
  view.shown = { points: isShown("show-points"), classes: isShown("show-prediction"), doubt: isShown("show-doubt") };
  view.opacity = find("opacity").value / 100;
  view.redraw();
}

function remove(point) {
  if (point) points.change(point, { is_deleted: true });
  view.selected = null;
}

function removeAtHand() {
  const under = state.cursor && view.pointAt(state.cursor.x, state.cursor.y);
  remove(view.selected === null ? under : points.of.get(view.selected));
}

const PAN = 80;
const KEYS = {
  n: suggest,
  s: skip,
  d: () => markDone(!find("done").checked),
  p: () => toggle("show-points"),
  o: () => toggle("show-prediction"),
  u: () => toggle("show-doubt"),
  f: () => view.fit(),
  c: () => view.selected !== null && choose(points.of.get(view.selected).label),
  "+": () => view.zoom(1.5),
  "=": () => view.zoom(1.5),
  "-": () => view.zoom(1 / 1.5),
  delete: removeAtHand,
  backspace: removeAtHand,
  escape: () => {
    endSpot();
    view.selected = null;
    refresh();
  },
  arrowleft: (event) => event.shiftKey ? view.pan(PAN, 0) : open(state.number - 1),
  arrowright: (event) => event.shiftKey ? view.pan(-PAN, 0) : open(state.number + 1),
  arrowup: (event) => event.shiftKey && view.pan(0, PAN),
  arrowdown: (event) => event.shiftKey && view.pan(0, -PAN),
};

function press(event) {
  const types = event.target instanceof HTMLInputElement && event.target.type !== "checkbox" && event.target.type !== "range";
  if (types || event.target instanceof HTMLSelectElement || event.altKey) return;
  const key = event.key.toLowerCase();
  let action = KEYS[key];
  if (event.ctrlKey || event.metaKey) {
    action = { z: () => step(event.shiftKey ? "redo" : "undo"), y: () => step("redo") }[key];
  } else if (/^[1-9]$/.test(key)) {
    action = () => choose(Number(key) - 1);
  }
  if (!action) return;
  event.preventDefault();
  action(event);
}

const writeMasks = attempt(async () => {
  const choice = find("mask-choice").value;
  const { folder, number } = await ask("/api/masks", { images: choice === "view" ? state.number : choice });
  find("written").textContent = `Writing ${number} masks to ${folder}`;
});

const train = attempt(async () => {
  const { file, command } = await ask("/api/train", {});
  find("written").textContent = `${file} is written. Type: ${command}`;
});

function attach() {
  attachPointer(view, {
    hover: (at) => { state.cursor = at; },
    click: (at) => {
      if (view.selected !== null) view.selected = null;
      if (at) points.add(state.number, at.x, at.y, state.chosen);
    },
    select: (point) => {
      endSpot();
      view.selected = point.id;
      refresh();
    },
    drag: (point, at) => {
      if (!at) return;
      point.home ??= { x: point.x, y: point.y };
      Object.assign(point, at);
      view.redraw();
    },
    drop: (point) => {
      const { x, y, home } = point;
      delete point.home;
      if (home && (home.x !== x || home.y !== y)) points.change(point, { x, y });
    },
    remove,
  });
  document.addEventListener("keydown", press);
  const clicks = {
    previous: () => open(state.number - 1), following: () => open(state.number + 1), undo: () => step("undo"),
    redo: () => step("redo"), next: suggest, skip, masks: writeMasks, train,
  };
  for (const [id, action] of Object.entries(clicks)) find(id).addEventListener("click", () => action());
  for (const id of ["show-points", "show-prediction", "show-doubt", "opacity"]) find(id).addEventListener("input", readOverlays);
  find("done").addEventListener("change", (event) => markDone(event.target.checked));
  find("image-number").addEventListener("change", (event) => open(Number(event.target.value) - 1));
  find("annotator").addEventListener("change", () => localStorage.setItem("annotator", annotator()));
}

const begin = attempt(async () => {
  const start = await ask("/api/start");
  Object.assign(state, { classes: start.classes, images: start.images });
  state.done = new Map(Object.entries(start.done).map(([number, isDone]) => [Number(number), isDone]));
  view.colors = start.classes.map(({ color }) => color);
  view.points = () => points.in(state.number);
  points.annotator = annotator;
  find("annotator").value = start.annotator || localStorage.getItem("annotator") || "";
  find("image-count").textContent = `of ${start.images.length}`;
  find("image-number").max = start.images.length;
  find("out").textContent = start.out;
  showClasses(start.classes, choose);
  points.take(start.points);
  attach();
  listen(start.revision, PAGE, receive, () => alarm("The server does not answer. Nothing that was saved is lost."));
  await open(0);
  document.body.dataset.ready = "";
});

begin();
