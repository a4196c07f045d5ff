// Mouse, pen and touch on the canvas: click, drag, pinch, wheel.

const SLACK = 4; // pixels that a click may move

export function attachPointer(view, actions) {
  const { canvas } = view;
  const down = new Map(); // pointers that touch, by number
  let gesture = null; // what the first of them does: start, last, point, has it moved

  const place = (event) => {
    const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    const at = place(event);
    down.set(event.pointerId, at);
    if (down.size > 1) {
      gesture = null; // two fingers zoom
      return;
    }
    gesture = { start: at, last: at, button: event.button, point: view.pointAt(at.x, at.y), moved: false };
  });

  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    actions.hover(at);
    if (!down.has(event.pointerId)) return;
    const before = down.get(event.pointerId);
    down.set(event.pointerId, at);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const distance = (a) => Math.hypot(a.x - other.x, a.y - other.y);
      const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
      view.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
      if (distance(before) > 0) view.zoom(distance(at) / distance(before), middle.x, middle.y);
      return;
    }
    if (!gesture) return;
    const slack = SLACK * (window.devicePixelRatio || 1);
    if (!gesture.moved && Math.hypot(at.x - gesture.start.x, at.y - gesture.start.y) < slack) return;
    gesture.moved = true;
    if (gesture.point && gesture.button === 0) actions.drag(gesture.point, view.toImage(at.x, at.y));
    else view.pan(at.x - gesture.last.x, at.y - gesture.last.y);
    gesture.last = at;
  });

  const end = (event) => {
    const at = place(event);
    down.delete(event.pointerId);
    const done = gesture;
    gesture = null;
    if (!done || down.size || event.type === "pointercancel") return;
    if (done.moved) {
      if (done.point && done.button === 0) actions.drop(done.point);
    } else if (done.button === 2) {
      if (done.point) actions.remove(done.point);
    } else if (done.button === 0) {
      if (done.point) actions.select(done.point);
      else actions.click(view.toImage(at.x, at.y));
    }
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = place(event);
    view.zoom(1.0015 ** -(event.deltaMode ? 30 * event.deltaY : event.deltaY), at.x, at.y);
  }, { passive: false });
}
