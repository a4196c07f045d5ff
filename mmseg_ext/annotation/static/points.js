// The points of all images. A change is shown at once, as not saved, and sent to the server one after another.

import { ask } from "./server.js";

const RETRY = 2000;

export class Points {
  constructor(changed, failed) {
    this.of = new Map(); // by number of the point
    this.changed = changed;
    this.failed = failed;
    this.queue = Promise.resolve();
    this.waiting = 0;
    this.nextOwn = -1;
    this.annotator = () => "";
  }

  // Takes what the server says; a point that is still on its way there keeps what the page shows.
  take(points) {
    for (const point of points) {
      const known = this.of.get(point.id);
      if (known && (known.revision > point.revision || known.pending)) continue;
      if (point.is_deleted) this.of.delete(point.id);
      else this.of.set(point.id, { ...point, isSaved: true, pending: 0 });
    }
    if (points.length) this.changed();
  }

  in(image) {
    return [...this.of.values()].filter((point) => point.image === image);
  }

  counts(numClasses) {
    const counts = Array(numClasses).fill(0);
    for (const point of this.of.values()) counts[point.label]++;
    return counts;
  }

  add(image, x, y, label) {
    for (const point of this.of.values()) {
      if (point.image === image && point.x === x && point.y === y) return this.change(point, { label });
    }
    const point = { id: this.nextOwn--, image, x, y, label, isSaved: false, pending: 1, revision: 0 };
    this.of.set(point.id, point);
    this.changed();
    return this.send(point, () => ask("/api/points", { image, x, y, label, annotator: this.annotator() }));
  }

  change(point, values) {
    Object.assign(point, values, { isSaved: false, pending: point.pending + 1 });
    if (values.is_deleted) this.of.delete(point.id);
    this.changed();
    return this.send(point, () => ask(`/api/points/${point.id}`, { ...values, annotator: this.annotator() }));
  }

  // Sends a change when those before it are through.
  send(point, request) {
    return this.enqueue(async () => {
      let saved;
      try {
        saved = await this.insist(request);
      } catch (error) {
        this.of.delete(point.id);
        await this.reload();
        throw error;
      }
      const shown = this.of.get(point.id) === point;
      this.of.delete(point.id);
      point.pending--;
      Object.assign(point, { id: saved.id, revision: saved.revision });
      if (!point.pending) Object.assign(point, saved, { isSaved: true });
      if (shown && !point.is_deleted) this.of.set(point.id, point);
      return point;
    });
  }

  // A server that does not answer is asked again: nothing is lost while it is started anew.
  async insist(request) {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        if (!error.message.startsWith("The server does not answer")) throw error;
        this.failed(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
  }

  async reload() {
    const { points } = await ask("/api/start");
    for (const [id, point] of this.of) if (!point.pending) this.of.delete(id);
    this.take(points);
  }

  enqueue(work) {
    this.waiting++;
    const result = this.queue.then(work).finally(() => {
      this.waiting--;
      this.changed();
    });
    this.queue = result.catch((error) => this.failed(error));
    return this.queue;
  }
}
