// Review by keyboard; without it the boxes and buttons of the form do the same.
"use strict";

const form = document.getElementById("review");
const boxes = form ? [...form.querySelectorAll('input[name="chosen"]')] : [];
const done = [];

function at() {
  const card = document.activeElement?.closest("[data-job]");
  return boxes.findIndex((box) => box.closest("[data-job]") === card);
}

function move(by) {
  const next = boxes[Math.min(Math.max(at() + by, 0), boxes.length - 1)];
  next?.focus();
  next?.closest("[data-job]").scrollIntoView({ block: "nearest" });
}

function columns() {
  const first = boxes[0].closest("li").offsetTop;
  const later = boxes.findIndex((box) => box.closest("li").offsetTop > first);
  return later < 0 ? boxes.length : later;
}

async function judge(chosen, state) {
  const body = new URLSearchParams({ csrf: form.elements.csrf.value, show: form.elements.show.value, state });
  if (state === "rejected") body.set("reason", form.elements.reason.value);
  for (const box of chosen) body.append("chosen", box.value);
  const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
  if (!answer.ok) return window.location.reload();
  for (const box of chosen) {
    const [job, version] = box.value.split(" ");
    const badge = box.closest("[data-job]").querySelector(".badge");
    box.value = `${job} ${Number(version) + 1}`;
    box.checked = false;
    badge.className = `badge ${state}`;
    badge.textContent = state;
  }
  return true;
}

async function judgeChosen(state) {
  const marked = boxes.filter((box) => box.checked);
  const chosen = marked.length ? marked : boxes.slice(at(), at() + 1).filter(() => at() >= 0);
  const stateOf = (box) => box.closest("[data-job]").querySelector(".badge").textContent;
  const changed = chosen.filter((box) => stateOf(box) !== state);
  if (!changed.length) return;
  const before = changed.map((box) => [box, stateOf(box)]);
  if (await judge(changed, state)) done.push(before);
  if (!marked.length) move(1);
}

async function makeAgain() {
  const button = form.querySelector('button[formaction$="/redo"]');
  const marked = boxes.some((box) => box.checked);
  if (!button || (!marked && at() < 0)) return;
  if (!marked) boxes[at()].checked = true;
  form.requestSubmit(button);
}

async function takeBack() {
  for (const [box, state] of done.pop() || []) await judge([box], state);
}

document.addEventListener("keydown", (event) => {
  if (!boxes.length || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches('input:not([type="checkbox"]), textarea, select')) return;
  const keys = {
    ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    ArrowDown: () => move(columns()), ArrowUp: () => move(-columns()),
    a: () => judgeChosen("approved"), r: () => judgeChosen("rejected"), e: makeAgain, z: takeBack,
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
