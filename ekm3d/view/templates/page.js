"use strict";
// Values under the pointer in a chart.
for (const figure of document.querySelectorAll("figure.chart")) {
  const chart = JSON.parse(figure.dataset.chart);
  const [hour0, hour1, left, right] = chart.x;
  const svg = figure.querySelector("svg"), tip = figure.querySelector(".tip");
  const cursor = figure.querySelector(".cursor");
  const text = (value) => value === null ? "–" :
    Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
      ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  const show = (event) => {
    const box = svg.getBoundingClientRect();
    const width = svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / box.width * width;
    const hour = hour0 + (x - left) / (right - left) * (hour1 - hour0);
    let near = 0;
    chart.t.forEach((t, n) => {
      if (Math.abs(t - hour) < Math.abs(chart.t[near] - hour)) near = n;
    });
    const place = left + (chart.t[near] - hour0) / (hour1 - hour0) * (right - left);
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    cursor.style.opacity = 0.5;
    tip.replaceChildren();
    const head = document.createElement("b");
    head.textContent = `${text(chart.t[near])} ${chart.unit}`;
    tip.append(head);
    chart.lines.forEach((line, n) => {
      const row = document.createElement("div"), key = document.createElement("span");
      key.className = `key c${n % 8}`;
      row.append(key, `${line.name}: ${text(line.v[near])}`);
      tip.append(row);
    });
    tip.hidden = false;
    const right_half = place > width / 2;
    tip.style.left = right_half ? "" : `${place / width * box.width + 12}px`;
    tip.style.right = right_half ? `${(1 - place / width) * box.width + 12}px` : "";
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; cursor.style.opacity = 0; });
}
// Slices at the time of the slider.
const slider = document.getElementById("time");
if (slider) {
  const slides = JSON.parse(document.getElementById("slides").textContent);
  const output = document.getElementById("hour"), play = document.getElementById("play");
  const move = () => {
    const n = Number(slider.value);
    output.textContent = `t = ${slides.hours[n]}`;
    for (const [id, frames] of Object.entries(slides.frames))
      document.getElementById(id).setAttribute("href", frames[n]);
    for (const box of document.querySelectorAll(".electrode"))
      box.setAttribute("class", `electrode ${slides.roles[n][Number(box.dataset.row)]}`);
  };
  slider.addEventListener("input", move);
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= Number(slider.max)) slider.value = 0;
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (Number(slider.value) >= Number(slider.max)) { stop(); return; }
      slider.value = Number(slider.value) + 1;
      move();
    }, 500);
    move();
  });
  move();
}
