// The picture on the canvas: where it lies, its tiles, what is laid over it.

const MAX_TILES = 300;
const MAX_SCALE = 64;
const RADIUS = 6;

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.scale = 1; // device pixels for one pixel of the image
    this.left = 0; // the image's corner, in device pixels
    this.top = 0;
    this.image = null; // number, width, height, levels, tile
    this.tiles = new Map();
    this.overlays = { classes: null, doubt: null };
    this.shown = { points: true, classes: true, doubt: false };
    this.opacity = 0.4;
    this.points = () => [];
    this.colors = [];
    this.selected = null;
    this.spot = null;
    this.waiting = false;
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (width === this.canvas.width && height === this.canvas.height) return;
    const isFirst = this.canvas.dataset.sized === undefined;
    this.canvas.dataset.sized = "";
    this.canvas.width = width;
    this.canvas.height = height;
    if (isFirst) this.fit();
    this.redraw();
  }

  open(image) {
    this.image = image;
    this.overlays = { classes: null, doubt: null };
    this.selected = null;
    this.fit();
  }

  fit() {
    if (!this.image) return;
    const { width, height } = this.canvas;
    this.scale = Math.min(width / this.image.width, height / this.image.height, MAX_SCALE);
    this.left = (width - this.image.width * this.scale) / 2;
    this.top = (height - this.image.height * this.scale) / 2;
    this.redraw();
  }

  // Keeps the pixel of the image at (x, y) of the canvas where it is.
  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    if (!this.image) return;
    const least = 0.5 * Math.min(this.canvas.width / this.image.width, this.canvas.height / this.image.height, 1);
    const scale = Math.min(Math.max(this.scale * factor, least), MAX_SCALE);
    this.left = x - (x - this.left) * scale / this.scale;
    this.top = y - (y - this.top) * scale / this.scale;
    this.scale = scale;
    this.redraw();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.redraw();
  }

  // Shows a pixel of the image; zooms in until a point stands out from what is around it.
  show(x, y) {
    const wanted = Math.min(this.canvas.width, this.canvas.height) / 400;
    if (this.scale < wanted) this.scale = Math.min(wanted, MAX_SCALE);
    const { canvas, image, scale } = this;
    // The pixel in the middle, unless the image would leave a part of the canvas empty.
    const begin = (place, length, space) => {
      const wanted = space / 2 - (place + 0.5) * scale, most = Math.abs(space - length * scale);
      return length * scale < space ? most / 2 : Math.min(0, Math.max(wanted, -most));
    };
    this.left = begin(x, image.width, canvas.width);
    this.top = begin(y, image.height, canvas.height);
    this.redraw();
  }

  // From the canvas, in device pixels, to the pixel of the image; null outside of it.
  toImage(x, y) {
    if (!this.image) return null;
    const column = Math.floor((x - this.left) / this.scale), row = Math.floor((y - this.top) / this.scale);
    const isInside = column >= 0 && row >= 0 && column < this.image.width && row < this.image.height;
    return isInside ? { x: column, y: row } : null;
  }

  toCanvas(x, y) {
    return { x: this.left + (x + 0.5) * this.scale, y: this.top + (y + 0.5) * this.scale };
  }

  radius() {
    return RADIUS * (window.devicePixelRatio || 1);
  }

  // The point under a place of the canvas; the last one that was drawn first.
  pointAt(x, y, reach = this.radius() * 1.6) {
    if (!this.shown.points) return null;
    let best = null, least = reach * reach;
    for (const point of this.points()) {
      const place = this.toCanvas(point.x, point.y);
      const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (distance <= least) [best, least] = [point, distance];
    }
    return best;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const { context, canvas, image } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.dataset.scale = this.scale;
    if (!image) return;
    this.drawTiles(image.levels - 1); // at once, and below what is not there yet
    const level = Math.min(Math.max(Math.floor(-Math.log2(this.scale)), 0), image.levels - 1);
    if (level < image.levels - 1) this.drawTiles(level);
    const place = [this.left, this.top, image.width * this.scale, image.height * this.scale];
    context.imageSmoothingEnabled = false;
    if (this.shown.classes && this.overlays.classes) {
      context.globalAlpha = this.opacity;
      context.drawImage(this.overlays.classes, ...place);
    }
    context.globalAlpha = 0.65;
    if (this.shown.doubt && this.overlays.doubt) context.drawImage(this.overlays.doubt, ...place);
    context.globalAlpha = 1;
    if (this.shown.points) this.points().forEach((point) => this.drawPoint(point));
    if (this.spot && this.spot.image === image.number) this.drawSpot(this.spot);
  }

  drawTiles(level) {
    const { context, canvas, image } = this;
    const side = image.tile * 2 ** level * this.scale;
    const size = 2 ** level * this.scale;
    context.imageSmoothingEnabled = size < 1;
    const columns = Math.ceil(Math.ceil(image.width / 2 ** level) / image.tile);
    const rows = Math.ceil(Math.ceil(image.height / 2 ** level) / image.tile);
    const first = (start) => Math.max(0, Math.floor(-start / side));
    const last = (start, length, count) => Math.min(count, Math.ceil((length - start) / side));
    for (let row = first(this.top); row < last(this.top, canvas.height, rows); row++) {
      for (let column = first(this.left); column < last(this.left, canvas.width, columns); column++) {
        const picture = this.tile(level, row, column);
        if (!picture) continue;
        const x = this.left + column * side, y = this.top + row * side;
        context.drawImage(picture, x, y, picture.naturalWidth * size, picture.naturalHeight * size);
      }
    }
  }

  tile(level, row, column) {
    const path = `/api/images/${this.image.number}/tiles/${level}/${row}/${column}`;
    let picture = this.tiles.get(path);
    if (picture) {
      this.tiles.delete(path); // so that those that were not used for the longest time come first
      this.tiles.set(path, picture);
    } else {
      picture = new Image();
      picture.onload = () => this.redraw();
      picture.src = path;
      this.tiles.set(path, picture);
      if (this.tiles.size > MAX_TILES) this.tiles.delete(this.tiles.keys().next().value);
    }
    return picture.complete && picture.naturalWidth ? picture : null;
  }

  drawPoint(point) {
    const { context } = this;
    const { x, y } = this.toCanvas(point.x, point.y);
    const radius = this.radius();
    const ring = (extra, color) => {
      context.beginPath();
      context.arc(x, y, radius + extra, 0, 2 * Math.PI);
      context.fillStyle = color;
      context.fill();
    };
    ring(point.id === this.selected ? 5 : 3.5, point.id === this.selected ? "#1a6fd4" : "#141414");
    ring(2, "#fff");
    ring(0, this.colors[point.label]);
    if (point.isSaved) return;
    context.beginPath(); // not on the disk yet: hollow
    context.arc(x, y, radius / 2, 0, 2 * Math.PI);
    context.fillStyle = "#fff";
    context.fill();
  }

  drawSpot(spot) {
    const { context } = this;
    const { x, y } = this.toCanvas(spot.x, spot.y);
    const unit = this.radius();
    for (const [width, color] of [[5, "#000"], [2.5, "#fff"]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.beginPath();
      context.arc(x, y, 3 * unit, 0, 2 * Math.PI);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + dx * 3 * unit, y + dy * 3 * unit);
        context.lineTo(x + dx * unit, y + dy * unit);
      }
      context.stroke();
    }
  }
}
