// What stands beside the picture: classes with their counts, the quality, what was written.

export const find = (id) => document.getElementById(id);

export function showClasses(classes, choose) {
  find("classes").replaceChildren(...classes.map(({ name, color }, index) => {
    const button = document.createElement("button");
    button.setAttribute("role", "radio");
    button.dataset.index = index;
    const parts = [["color", ""], ["name", name], ["count", "0"]].map(([kind, text]) => {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = text;
      return part;
    });
    parts[0].style.background = color;
    button.append(...parts);
    if (index < 9) {
      const key = document.createElement("kbd");
      key.textContent = index + 1;
      button.append(key);
    }
    button.addEventListener("click", () => choose(index));
    return button;
  }));
}

export function markClass(chosen, counts) {
  for (const button of find("classes").children) {
    const index = Number(button.dataset.index);
    button.setAttribute("aria-checked", String(index === chosen));
    button.querySelector(".count").textContent = counts[index];
  }
}

const percent = ([value, low, high]) => {
  if (value === null) return "–";
  const interval = low === null ? "" : ` [${low.toFixed(0)}, ${high.toFixed(0)}]`;
  return `${value.toFixed(0)}${interval}`;
};

export function showQuality(quality, classes) {
  if (!quality) return;
  find("quality").textContent = `mIoU ${percent(quality.mean)} % at ${quality.num_points} points of ` +
    `${quality.num_images} images, each predicted without its own image; 95 % interval. ` +
    "Points at doubtful spots are harder than other pixels.";
  find("quality-classes").replaceChildren(...classes.map(({ name }, index) => {
    const row = document.createElement("tr");
    row.append(...[name, percent(quality.classes[index])].map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
  const [gain, low, high] = quality.gain;
  if (gain === null || low === null) return;
  const brought = `The second half of the points has brought ${gain.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}] points.`;
  find("gain").textContent = quality.is_enough ? `${brought} More clicks of this kind hardly help.` : brought;
}

export function showStatus({ model, error, ready }, numImages, waiting) {
  const state = { loading: "The model is loading.", ready: `Features of ${ready} of ${numImages} images.`, failed: error }[model];
  find("status").textContent = waiting ? `${waiting} changes are being saved. ${state}` : `All saved. ${state}`;
}

let timer;

export function alarm(text) {
  const box = find("alarm");
  box.textContent = text;
  box.hidden = !text;
  clearTimeout(timer);
  if (text) timer = setTimeout(() => alarm(""), 8000);
}
